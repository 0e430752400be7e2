"""Moves a store from one database to another, also while a relay runs on the first; and again, until both are the same."""
