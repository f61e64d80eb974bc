"""Canonical text of which it is known that it goes out as it is.

By itself, since a class made of octets cannot be compiled as the rest of the content's way can.
"""

from __future__ import annotations


class PlainOctets(bytes):
    """Canonical text that is known to need neither: no dot begins a line, and no line is longer than usual.

    For a message that is held in memory and goes out more than once: it is looked at once, by `lines.look_once`.
    """

    __slots__ = ()
