"""What the engine and the web tier agree on; imports the standard library only."""
