"""Mail clients of all kinds, and small programs for the libraries among them. `table.py` says how each is called."""
