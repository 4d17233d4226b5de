"""How cattrs makes records plain data, and plain data records."""
