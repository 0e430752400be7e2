"""The database as files: its pages and its log by their format, what condition they are in, and what is given up of them."""
