"""Copies of SQLite's store as they are kept elsewhere: made while a relay runs, checked, put in place."""
