"""The words of the house: frozen values that every floor may hold.

A value here never does I/O and never changes.  What is made once for every message is a `NamedTuple` (a frozen
dataclass sets each field through `object.__setattr__`, which costs five times as much); the rest are frozen slotted
dataclasses.
"""
