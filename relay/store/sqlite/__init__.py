"""The store on SQLite: one process, one writing connection, many readers."""
