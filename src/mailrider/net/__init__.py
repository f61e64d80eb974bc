"""The world outside as streams of bytes, and the one driver that runs protocol scripts over them."""
