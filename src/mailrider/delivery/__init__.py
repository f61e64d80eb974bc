"""One delivery request in, one outcome per recipient out."""
