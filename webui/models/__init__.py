"""Tables of the web tier's database (SQLAlchemy Core); one module a noun."""
