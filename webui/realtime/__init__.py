"""Socket.IO: one upstream a source, shared by every browser that watches it."""
