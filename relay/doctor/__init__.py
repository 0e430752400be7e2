"""What `relay doctor` looks at: small checks in tables, each with one verdict. They look, and change nothing."""
