"""What is the web tier's own: accounts, teams, hosts, operations."""
