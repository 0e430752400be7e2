"""What is asked and written, in the SQL that SQLite and PostgreSQL share."""
