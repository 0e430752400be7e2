"""HTTP to whom the administrator has named."""
