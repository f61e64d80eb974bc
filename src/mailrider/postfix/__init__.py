"""Living inside a Postfix installation: the queue manager hands us its mail, and hears from us what became of it.

The facts are those of Postfix's private protocols, which have no manual; `docs/postfix.md` says how to use this room.
"""
