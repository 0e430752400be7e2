"""Databases and files: where everything is kept."""
