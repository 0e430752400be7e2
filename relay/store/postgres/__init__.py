"""PostgreSQL, for any number of relays on one database."""
