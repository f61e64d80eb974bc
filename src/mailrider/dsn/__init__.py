"""Delivery status notices as text (RFC 3464, RFC 6533): who gets one, and how it reads."""
