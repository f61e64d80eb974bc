"""The two regular expression engines, behind one interface, loaded when the first table needs them.

`regexp` tables use `google-re2` (see `posix_syntax`).  `pcre` tables use `pcre2`, which is the very library that Postfix uses,
bound to Python and kept up with it, and comes as wheels: no other engine means the same by every pattern.  It counts the
steps that a match takes and stops after `PCRE_STEPS_LIMIT`.
"""

from __future__ import annotations

import importlib
import re
from typing import Any, Final, Protocol

from mailrider.errors import WrongConfiguration
from mailrider.tables.posix_syntax import Malformed, Unsupported, translate_posix

PCRE_STEPS_LIMIT: Final = 1_000_000
"""Internal calls that one match may take, about 20 ms; PCRE's own limit is ten times as much."""

_DOLLAR_END_ONLY = 0x00000010
"""PCRE2_DOLLAR_ENDONLY of pcre2.h, which the binding has no name for."""

_PCRE_ESCAPE = re.compile(rb"\\Q.*?(?:\\E|\Z)|\\x\{([0-9A-Fa-f]+)\}|\\x([0-9A-Fa-f]{0,2})|\\(.)", re.DOTALL)


class MatchTrouble(Exception):
    """A match could not be carried out to its end."""


class Engine(Protocol):
    """A compiled pattern."""

    @property
    def groups(self) -> int:
        """How many groups it has."""

    def match(self, subject: bytes) -> tuple[bytes, ...] | None:
        """What the groups matched, empty where they did not, or None.  Raises `MatchTrouble`."""


class PosixEngine:
    """A POSIX extended regular expression.  Raises `Malformed` or `Unsupported`."""

    __slots__ = ("_compiled", "groups")

    def __init__(self, pattern: bytes, *, ignore_case: bool, newline: bool) -> None:
        re2 = _load("re2", "google-re2", "regexp")
        translated = translate_posix(pattern, ignore_case=ignore_case, newline=newline)
        options = re2.Options()
        options.posix_syntax = True
        options.longest_match = True
        options.encoding = re2.Options.Encoding.LATIN1
        options.case_sensitive = not ignore_case
        options.perl_classes = True
        options.word_boundary = True
        options.one_line = not newline
        options.dot_nl = True
        options.log_errors = False
        try:
            self._compiled = re2.compile(translated, options)
        except re2.error as trouble:
            reason = trouble.args[0] if trouble.args else "refused"
            text = reason.decode("latin-1") if isinstance(reason, bytes) else str(reason)
            raise Unsupported(f"RE2 cannot follow it: {text}") from None
        self.groups: int = self._compiled.groups

    def match(self, subject: bytes) -> tuple[bytes, ...] | None:
        """What the groups matched, or None."""
        found = self._compiled.search(subject)
        return None if found is None else tuple([group or b"" for group in found.groups()])


class PcreEngine:
    """A Perl-compatible regular expression.  Raises `Malformed`."""

    __slots__ = ("_match", "_trouble", "groups")

    def __init__(
        self,
        pattern: bytes,
        *,
        ignore_case: bool,
        dot_all: bool,
        multiline: bool,
        extended: bool,
        anchored: bool,
        dollar_end_only: bool,
        ungreedy: bool,
    ) -> None:
        pcre2 = _load("pcre2", "pcre2", "pcre")
        if dollar_end_only and pcre2.compile(b"a$", _DOLLAR_END_ONLY, jit=False).search(b"a\n"):
            raise Unsupported("the flag E, with this version of pcre2")
        flags = int(pcre2.IGNORECASE) * ignore_case | int(pcre2.DOTALL) * dot_all | int(pcre2.MULTILINE) * multiline
        flags |= int(pcre2.VERBOSE) * extended | _DOLLAR_END_ONLY * dollar_end_only
        beginning = b"(*LIMIT_MATCH=%d)" % PCRE_STEPS_LIMIT + b"(?U)" * ungreedy
        try:
            # Not by its just-in-time compiler, which has too small a stack for long texts.
            compiled = pcre2.compile(beginning + _PCRE_ESCAPE.sub(_rewrite_escape, pattern), flags, jit=False)
        except pcre2.LibraryError as trouble:
            raise Malformed(str(trouble).partition("; ")[2] or str(trouble)) from None
        self._match = compiled.match if anchored else compiled.search
        self._trouble = pcre2.LibraryError
        self.groups: int = compiled.groups

    def match(self, subject: bytes) -> tuple[bytes, ...] | None:
        """What the groups matched, or None."""
        try:
            found = self._match(subject)
            return None if found is None else tuple([group or b"" for group in found.groups()])
        except self._trouble as trouble:
            raise MatchTrouble(str(trouble)) from None


def _rewrite_escape(match: re.Match[bytes]) -> bytes:
    r"""Undo PCRE2_ALT_BSUX, which the binding sets: `\x{41}`, `\x4`, `\u` and `\U` would mean what they mean in JavaScript."""
    if match[1] is not None or match[2] is not None:
        number = int(match[1] or match[2] or b"0", 16)
        if number > 255:
            raise Malformed("the number in \\x{} is larger than ff")
        return b"\\x%02x" % number
    if match[3] in (b"u", b"U"):
        raise Malformed("\\u and \\U mean nothing to PCRE")
    return match[0]


def _load(module: str, package: str, kind: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as trouble:
        raise WrongConfiguration(f"{kind} tables need the package {package} (pip install {package}): {trouble}") from None
