"""Decisions of a queue manager: how much at once, and when again."""
