"""The message text on its way out: bytes in, bytes out, no walk through a message that needs no change."""
