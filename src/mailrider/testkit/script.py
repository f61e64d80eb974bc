"""Dialogues as data: what a server says, what a client must say, and how it must end.

A dialogue is a text file (UTF-8).  Blank lines and lines that begin with `#` mean nothing.  First come settings, then the
steps in the order in which they happen::

    title: a recipient is refused
    sender: a@example.test
    recipient: b@example.test
    recipient: c@example.test
    set: smtp_always_send_ehlo = no

    S: 220 mx.example.test ESMTP
    C: EHLO *
    S: 250-mx.example.test
    S: 250 PIPELINING
    C: MAIL FROM:<a@example.test>*
    ...
    C: DATA
    S: 250 2.1.0 Ok
    ...
    C-content
    S: 250 2.0.0 Ok: queued as 1
    C: QUIT
    S-close
    E: b@example.test sent 2.0.0 250 2.0.0 Ok: queued as *
    E: c@example.test bounced 5.1.1 *

=============  =====================================================================================================
`S: text`      the server sends this line and a line end
`S-raw: text`  the server sends these octets and nothing more; `\\r`, `\\n`, `\\t`, `\\\\` and `\\xHH` stand for octets
`S-close`      the server closes the connection
`S-reset`      the connection breaks
`S-silence`    the server says nothing more: the client's patience runs out
`C: pattern`   the client must send this line; `*` stands for any text, `\\*` for a star
`C-content`    the client must send a message content, its dot included; `C-content: pattern` says what must be in it
`C-close`      the client must close the connection
`E: ...`       the outcome: recipient, status word, enhanced code and, where it matters, a pattern for the text
=============  =====================================================================================================

The names of settings are up to whoever plays the dialogue; each may be given more than once.  A letter before the colon
of a step is never a setting, so a mistyped step is an error and not a setting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mailrider.errors import MissingInput, WrongUsage

DIALOGUE_LIMIT_OCTETS: Final = 1024 * 1024
"""A dialogue is written by hand; a file longer than this is something else."""

STATUS_WORDS: Final = ("sent", "deferred", "bounced", "deliverable", "undeliverable")

_STEP = re.compile(r"([SCE])(-[a-z]+)?(?:: ?(.*))?", re.DOTALL)
_SETTING = re.compile(r"([a-z][a-z0-9_]+): ?(.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:([rnt\\])|x([0-9a-fA-F]{2})|(.?))", re.DOTALL)
_ESCAPED = {"r": "\r", "n": "\n", "t": "\t", "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Pattern:
    """Text in which `*` stands for any text, also none, and a backslash makes the next character stand for itself."""

    text: str

    def matches(self, subject: str) -> bool:
        """Whether all of `subject` is such a text."""
        expression = "".join(
            ".*" if part == "*" else re.escape(part[1:] if part[0] == "\\" and part[1:] else part)
            for part in re.findall(r"\\.|\*|[^\\*]+|\\", self.text, re.DOTALL)
        )
        return re.fullmatch(expression, subject, re.DOTALL) is not None


@dataclass(frozen=True, slots=True)
class ServerSays:
    """The server sends `octets`, the line end included where there is one."""

    octets: bytes
    place: int


@dataclass(frozen=True, slots=True)
class ServerCloses:
    """The server closes the connection; `abruptly`: it breaks."""

    abruptly: bool
    place: int


@dataclass(frozen=True, slots=True)
class ServerFallsSilent:
    """The server says nothing more."""

    place: int


@dataclass(frozen=True, slots=True)
class ClientSays:
    """The client must send a line that fits."""

    pattern: Pattern
    place: int


@dataclass(frozen=True, slots=True)
class ClientSendsContent:
    """The client must send a message content up to its dot; without it, unstuffed, it must fit."""

    pattern: Pattern
    place: int


@dataclass(frozen=True, slots=True)
class ClientCloses:
    """The client must close the connection."""

    place: int


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must have become of a recipient."""

    recipient: str
    status: str
    status_code: str
    text: Pattern
    place: int


Step = ServerSays | ServerCloses | ServerFallsSilent | ClientSays | ClientSendsContent | ClientCloses


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One dialogue.  `place` in the steps and expectations is the line in the file, from 1."""

    title: str
    settings: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]
    expectations: tuple[Expectation, ...]

    def values_of(self, name: str) -> tuple[str, ...]:
        """The values of one setting, in the order given."""
        return tuple(value for key, value in self.settings if key == name)


def read_dialogue(path: Path) -> Dialogue:
    """Read the dialogue in a file.

    Raises `MissingInput` where it cannot be read, `WrongUsage` with file and line where it makes no sense.
    """
    try:
        with path.open("rb") as file:
            octets = file.read(DIALOGUE_LIMIT_OCTETS + 1)
    except OSError as trouble:
        raise MissingInput(f"{path}: {trouble.strerror}") from None
    if len(octets) > DIALOGUE_LIMIT_OCTETS:
        raise WrongUsage(f"{path}: longer than {DIALOGUE_LIMIT_OCTETS} octets")
    try:
        return parse_dialogue(octets.decode("utf-8"), str(path))
    except UnicodeDecodeError:
        raise WrongUsage(f"{path}: not UTF-8 text") from None


def parse_dialogue(text: str, name: str = "dialogue") -> Dialogue:
    """Take a dialogue from its text; `name` stands in errors.  Raises `WrongUsage` with the line that is wrong."""
    settings: list[tuple[str, str]] = []
    steps: list[Step] = []
    expectations: list[Expectation] = []
    for place, line in _meaningful_lines(text):
        try:
            if setting := _SETTING.fullmatch(line):
                if steps or expectations:
                    raise WrongUsage(f"setting {setting[1]!r} after the first step")
                settings.append((setting[1], setting[2].strip()))
                continue
            step = _parse_step(line, place)
        except WrongUsage as trouble:
            raise WrongUsage(f"{name}, line {place}: {trouble}") from None
        if isinstance(step, Expectation):
            expectations.append(step)
        else:
            steps.append(step)
    if not steps:
        raise WrongUsage(f"{name}: no step in it")
    titles = [value for key, value in settings if key == "title"]
    return Dialogue(titles[0] if titles else name, tuple(settings), tuple(steps), tuple(expectations))


def _meaningful_lines(text: str) -> Iterator[tuple[int, str]]:
    for place, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        if line.strip() and not line.startswith("#"):
            yield place, line


def _parse_step(line: str, place: int) -> Step | Expectation:
    match = _STEP.fullmatch(line)
    if match is None:
        raise WrongUsage(f"{line[:60]!r} is neither a setting nor a step (S:, C:, E:, S-close, ...)")
    who, what, text = match[1], match[2] or "", match[3]
    kind = who + what
    if kind in ("S", "S-raw", "C", "E"):
        if text is None:
            raise WrongUsage(f"{kind} needs a colon and a text")
        return _parse_speech(kind, text, place)
    if kind == "C-content":
        return ClientSendsContent(Pattern("*" if text is None else text), place)
    bare: dict[str, Step] = {
        "S-close": ServerCloses(False, place),
        "S-reset": ServerCloses(True, place),
        "S-silence": ServerFallsSilent(place),
        "C-close": ClientCloses(place),
    }
    if kind not in bare:
        raise WrongUsage(f"no step is called {kind}; there are S, S-raw, C, C-content, E, {', '.join(bare)}")
    if text is not None:
        raise WrongUsage(f"{kind} takes no text")
    return bare[kind]


def _parse_speech(kind: str, text: str, place: int) -> Step | Expectation:
    if kind == "S":
        return ServerSays(text.encode("utf-8") + b"\r\n", place)
    if kind == "S-raw":
        return ServerSays(_unescape(text), place)
    if kind == "C":
        return ClientSays(Pattern(text), place)
    words = text.split(None, 3)
    if len(words) < 3:
        raise WrongUsage("an expectation is: recipient, status word, enhanced code, and maybe a pattern for the text")
    if words[1] not in STATUS_WORDS:
        raise WrongUsage(f"{words[1]!r} is no status word; there are {', '.join(STATUS_WORDS)}")
    return Expectation(words[0], words[1], words[2], Pattern(words[3] if len(words) > 3 else "*"), place)


def _unescape(text: str) -> bytes:
    """Octets written with escapes; everything else is UTF-8."""
    octets = b""
    position = 0
    for match in _ESCAPE.finditer(text):
        octets += text[position : match.start()].encode("utf-8")
        position = match.end()
        if match[1]:
            octets += _ESCAPED[match[1]].encode()
        elif match[2]:
            octets += bytes([int(match[2], 16)])
        else:
            raise WrongUsage(f"'\\{match[3]}' is no escape; there are \\r \\n \\t \\\\ \\xHH")
    return octets + text[position:].encode("utf-8")
