"""SASL: the client side of authentication mechanisms (RFC 4422), bytes in and bytes out."""
