"""Postfix's attribute lists: how its programs talk to each other, octets in, values out, without I/O."""
