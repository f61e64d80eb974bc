"""How quick `fit_content` is, beside the standard library: python -m tests.content.measure

Processor time, the best of several rounds in which both take turns, so that a busy machine slows both alike.
"""

from __future__ import annotations

import email
import io
import time
from collections.abc import Callable
from email.generator import BytesGenerator
from email.policy import SMTP
from random import Random

from tests.content.walking import Content, lines

from mailrider.content.fit import Fitting, fit_content

ROUNDS = 25


def make_header(encoding: bytes, charset: bytes) -> bytes:
    """Twenty header fields."""
    return lines(
        *[b"X-Header-%02d: the value of header field number %d" % (number, number) for number in range(14)],
        b"From: sender@example.com", b"To: recipient@example.net", b"Subject: hello", b"MIME-Version: 1.0",
        b"Content-Type: text/plain; charset=" + charset, b"Content-Transfer-Encoding: " + encoding, b"",
    )  # fmt: skip


def make_plain(size_octets: int = 4096) -> bytes:
    """A message that needs nothing."""
    line = b"The quick brown fox jumps over the lazy dog, and again and again."
    header = make_header(b"7bit", b"us-ascii")
    return header + lines(*[line] * ((size_octets - len(header)) // (len(line) + 2)))


def make_latin1(size_octets: int = 1_000_000, words_in_line: int = 12) -> bytes:
    """A message in ISO-8859-1, some 8 % of it not ASCII."""
    random = Random(1)
    words = ["grüße", "der", "die", "das", "Köln", "über", "und", "Straße", "lorem", "ipsum", "dolor", "="]
    text = []
    size = 0
    while size < size_octets:
        text.append(" ".join(random.choices(words, k=words_in_line)).encode("latin-1"))
        size += len(text[-1]) + 2
    return make_header(b"8bit", b"iso-8859-1") + lines(*text)


def compare(ours: Callable[[], object], theirs: Callable[[], object], repeat: int = 1) -> tuple[float, float]:
    """Seconds for each."""
    best = [1e9, 1e9]
    for _ in range(ROUNDS):
        for index, work in enumerate((ours, theirs)):
            began = time.process_time()
            for _ in range(repeat):
                work()
            best[index] = min(best[index], (time.process_time() - began) / repeat)
    return best[0], best[1]


def fit(message: bytes, fitting: Fitting) -> Callable[[], bytes]:
    return lambda: b"".join(fit_content(Content(message), fitting))


def main() -> None:
    plain = make_plain()
    parse = lambda: email.message_from_bytes(plain)  # noqa: E731
    for title, fitting in (("as it is", Fitting()), ("server without 8BITMIME", Fitting(downgrade=True))):
        ours, theirs = compare(fit(plain, fitting), parse, 200)
        print(f"4 kB, {title}: {ours * 1e6:.1f} us, email parses it in {theirs * 1e6:.1f} us: 1/{theirs / ours:.1f}")
    for title, words in (("lines of 55 octets", 12), ("lines of 450 octets", 100)):
        latin1 = make_latin1(words_in_line=words)
        parsed = email.message_from_bytes(latin1)

        def generate(parsed: email.message.Message = parsed) -> bytes:
            out = io.BytesIO()
            BytesGenerator(out, policy=SMTP.clone(cte_type="7bit")).flatten(parsed)
            return out.getvalue()

        ours, theirs = compare(fit(latin1, Fitting(downgrade=True)), generate)
        print(f"1 MB of ISO-8859-1, {title}: {ours * 1e3:.1f} ms, email {theirs * 1e3:.1f} ms: {theirs / ours:.1f} times")


if __name__ == "__main__":
    main()
