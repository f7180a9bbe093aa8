"""The only door to an engine: sockets, HTTP by hand, stream decoders."""
