"""HTTP: the rules table, who is asking, the guarded Engine API, Berth's own API, the UI's files."""
