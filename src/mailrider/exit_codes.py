"""How commands and processes end: the exit codes of sysexits(3).

Names are written out because Python's own (`os.EX_USAGE`) are not there on every platform.
"""

from __future__ import annotations

from typing import Final

EX_OK: Final = 0
EX_USAGE: Final = 64
EX_NOINPUT: Final = 66
EX_UNAVAILABLE: Final = 69
EX_SOFTWARE: Final = 70
EX_CANTCREAT: Final = 73
EX_IOERR: Final = 74
EX_TEMPFAIL: Final = 75
EX_NOPERM: Final = 77
EX_CONFIG: Final = 78

EX_INTERRUPTED: Final = 130
"""As a shell tells of a program that SIGINT has ended."""
