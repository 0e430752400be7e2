"""Passwords and certificates."""
