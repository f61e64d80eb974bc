"""Case `fit`: what `content.fit` does to a message before a server that can take less, beside the standard library's `email`.

The letter of 4 kB with twenty header fields needs no change; the measure is parsing it.  The text in ISO-8859-1 becomes
quoted-printable; the measure is `email`'s generator with `cte_type="7bit"` over the parsed message.  Processor time, the best
of several rounds in which both take turns, so that a busy machine slows both alike.
"""

from __future__ import annotations

import email
import io
import time
from collections.abc import Callable, Iterator
from email.generator import BytesGenerator
from email.message import Message
from email.policy import SMTP
from random import Random
from typing import NamedTuple

from benchmarks.report import Table

LETTER_OCTETS = 4096
LETTERS_A_ROUND = 200
TEXT_OCTETS = 1_000_000


class Figures(NamedTuple):
    """Microseconds for one message; `ratio` is that of ours to theirs."""

    ratio: float
    our_microseconds: float
    their_microseconds: float
    theirs: str


class _Octets:
    """A message in memory."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self.size_octets = len(octets)

    def chunks(self) -> Iterator[bytes]:
        return iter((self._octets,))


def make_header(encoding: str, charset: str) -> bytes:
    """Twenty header fields."""
    fields = [f"X-Header-{number:02}: the value of header field number {number}" for number in range(14)]
    fields += ["From: sender@example.com", "To: recipient@example.net", "Subject: hello", "MIME-Version: 1.0"]
    fields += [f"Content-Type: text/plain; charset={charset}", f"Content-Transfer-Encoding: {encoding}"]
    return "\r\n".join([*fields, "", ""]).encode()


def make_letter() -> bytes:
    """A message that needs nothing."""
    line = b"The quick brown fox jumps over the lazy dog, and again and again.\r\n"
    header = make_header("7bit", "us-ascii")
    return header + line * ((LETTER_OCTETS - len(header)) // len(line))


def make_latin1_text(words_in_line: int) -> bytes:
    """A message in ISO-8859-1, some 8 % of it not ASCII."""
    random = Random(1)
    words = ["grüße", "der", "die", "das", "Köln", "über", "und", "Straße", "lorem", "ipsum", "dolor", "="]
    lines, size = [make_header("8bit", "iso-8859-1")], 0
    while size < TEXT_OCTETS:
        lines.append(" ".join(random.choices(words, k=words_in_line)).encode("latin-1") + b"\r\n")
        size += len(lines[-1])
    return b"".join(lines)


def measure(repeats: int) -> dict[str, Figures]:
    """Time all of it."""
    figures = {}
    letter = make_letter()
    for name, downgrade in (("4 kB letter, as it is", False), ("4 kB letter, to a server without 8BITMIME", True)):
        figures[name] = _compare(
            _fit(letter, downgrade=downgrade), lambda: email.message_from_bytes(letter), "parsing it", LETTERS_A_ROUND, repeats
        )
    for length, words in ((55, 12), (450, 100)):
        text = make_latin1_text(words)
        ours, theirs = _fit(text, downgrade=True), _generate(email.message_from_bytes(text))
        name = f"1 MB of ISO-8859-1 in lines of {length}, to 7 bit"
        figures[name] = _compare(ours, theirs, "generating it", 1, repeats)
    return figures


def _fit(octets: bytes, *, downgrade: bool) -> Callable[[], bytes]:
    from mailrider.content.fit import Fitting, fit_content

    fitting = Fitting(downgrade=downgrade)
    return lambda: b"".join(fit_content(_Octets(octets), fitting))


def _generate(parsed: Message) -> Callable[[], bytes]:
    policy = SMTP.clone(cte_type="7bit")

    def generate() -> bytes:
        out = io.BytesIO()
        BytesGenerator(out, policy=policy).flatten(parsed)
        return out.getvalue()

    return generate


def _compare(ours: Callable[[], object], theirs: Callable[[], object], what: str, times: int, repeats: int) -> Figures:
    best = [float("inf"), float("inf")]
    for _ in range(repeats):
        for index, work in enumerate((ours, theirs)):
            began = time.process_time()
            for _ in range(times):
                work()
            best[index] = min(best[index], (time.process_time() - began) / times)
    return Figures(best[0] / best[1], best[0] * 1e6, best[1] * 1e6, what)


def tabulate(figures: dict[str, Figures], repeats: int) -> Table:
    """Ratios first."""
    rows = [
        (f"1/{1 / its.ratio:.1f} of", name, f"{its.our_microseconds:.0f}", its.theirs, f"{its.their_microseconds:.0f}")
        for name, its in figures.items()
    ]
    heads = ("fitting needs", "message", "µs", "email needs for", "µs")
    return Table(f"fit: best of {repeats}", heads, rows)
