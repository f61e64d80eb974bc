"""Messages nobody would write: random MIME trees with everything wrong that can be wrong with them.

The same seed gives the same message.  Line ends are CRLF, the last one too.
"""

from __future__ import annotations

from random import Random

from tests.differential_mime import words


class MessageMaker:
    """Makes messages.  `record_limit` is the length near which long lines are made."""

    def __init__(self, seed: int, record_limit: int = 2048) -> None:
        self._random = Random(seed)
        self._record_limit = record_limit
        self._open: list[bytes] = []  # boundaries that a line may be made of

    def make(self) -> bytes:
        """A message.  Its last line is short: smtp(8) hangs where a body check takes away the end of the last line."""
        self._open = []
        text = b"\r\n".join([*self._entity(0, primary=True), b"end", b""])
        return text.replace(b"\r\n", b"\n").replace(b"\r", b" ").replace(b"\n", b"\r\n")

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _pick(self, choices: tuple[bytes, ...]) -> bytes:
        return self._random.choice(choices)

    # -- entities --------------------------------------------------------------------------------------------------

    def _entity(self, depth: int, *, primary: bool = False) -> list[bytes]:
        random = self._random
        kind = random.choice(("leaf", "leaf", "multipart", "multipart", "message", "odd") if depth < 5 else ("leaf",))
        boundary = self._pick(words.BOUNDARIES)
        lines = [self._field() for _ in range(random.choice((0, 1, 2, 5, 10)))]
        own = []
        if kind == "multipart":
            own.append(b"Content-Type: " + self._multipart_type(boundary))
        elif kind == "message":
            own.append(b"Content-Type: " + random.choice((b"message/rfc822", b"message/global", b"message/rfc822; a=b")))
        elif kind == "odd" or self._chance(0.5):
            own.append(b"Content-Type: " + self._pick(words.TYPES))
        if self._chance(0.7):
            own.append(
                self._pick((b"Content-Transfer-Encoding", b"content-transfer-encoding")) + b": " + self._pick(words.ENCODINGS)
            )
        if self._chance(0.05):
            own.append(b"Content-Transfer-Encoding: " + self._pick(words.ENCODINGS))
        lines += own
        random.shuffle(lines)
        if primary:
            lines.insert(0, b"From: sender@origin.test")
        if self._chance(0.04):
            lines.append(
                self._pick((b"garbage without a colon", b" begins with a blank", b": no name", b"na me: x", b"\xfc: x"))
            )
            if self._chance(0.5):
                return lines + self._body()
        if self._chance(0.97):
            lines.append(b"")
        return lines + self._content(kind, boundary, depth)

    def _content(self, kind: str, boundary: bytes, depth: int) -> list[bytes]:
        if kind == "message":
            return self._entity(depth + 1)
        if kind != "multipart":
            return self._body()
        lines = self._body() if self._chance(0.3) else []
        self._open.append(boundary)
        for _ in range(self._random.choice((0, 1, 1, 2, 3))):
            lines.append(b"--" + boundary + self._cruft())
            lines += self._entity(depth + 1)
        self._open.pop()
        if self._chance(0.8):
            lines.append(b"--" + boundary + b"--" + self._cruft())
        if self._chance(0.5):
            lines += self._body()
        return lines

    def _cruft(self) -> bytes:
        if self._chance(0.9):
            return b""
        return self._random.choice((b" ", b"\t", b"x", b"-", b" 8\xfc", b"w" * self._record_limit, self._long_text()))

    def _multipart_type(self, boundary: bytes) -> bytes:
        random = self._random
        subtype = random.choice((b"mixed", b"mixed", b"digest", b"alternative", b"", b"DIGEST"))
        quoted = b'"' + boundary.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
        values = (
            quoted, quoted, boundary, quoted + b"; boundary=b1", quoted + b"; boundary=b1; boundary=B; boundary=x",
            b'"b\r\n "', b'"unclosed', b'"esc\\aped"', quoted + b"garbage",
        )  # fmt: skip
        beginnings = (
            b"; boundary=", b"; boundary=", b";\r\n\tBOUNDARY=", b"; charset=x; boundary = ", b"; (c) boundary(d)=(e)",
            b"; boundary*0=", b";;; boundary=", b" boundary=",
        )  # fmt: skip
        major = random.choice((b"multipart/", b"MultiPart/", b"multipart /"))
        return major + subtype + random.choice(beginnings) + random.choice(values) + random.choice((b"", b"", b"; x=y"))

    # -- fields ----------------------------------------------------------------------------------------------------

    def _field(self) -> bytes:
        random = self._random
        if self._chance(0.3):
            value = random.choice((b", ", b",", b",\r\n\t", b" ")).join(
                self._pick(words.ADDRESSES) for _ in range(random.choice((1, 1, 2, 3, 8)))
            )
            return self._pick(words.ADDRESS_FIELDS) + random.choice((b": ", b":", b" : ")) + value
        if self._chance(0.03):
            return b"X-Long: " + self._long_text()
        if self._chance(0.02):
            return b"X-Many: " + b"\r\n ".join([b"z" * random.randrange(90)] * random.randrange(60))
        return self._pick(words.FIELDS)

    # -- bodies ----------------------------------------------------------------------------------------------------

    def _body(self) -> list[bytes]:
        return [self._line() for _ in range(self._random.choice((0, 1, 2, 5, 20)))]

    def _line(self) -> bytes:
        random = self._random
        if self._chance(0.05):
            return self._long_text()
        if self._chance(0.2):
            return self._around_the_soft_limit()
        if self._open and self._chance(0.05):
            return b"--" + random.choice(self._open) + random.choice((b"", b"--", b"-", b" x"))
        return self._pick(words.LINES)

    def _around_the_soft_limit(self) -> bytes:
        random = self._random
        letters = random.choice((b"x", b"x=", b"\xfc", b"x\xfc ", b"xyz .", b"=", b" ", b"\t\xe9"))
        length = random.randrange(60, 160)
        return (letters * length)[:length] + random.choice((b"", b" ", b"\t", b"=", b"\xfc"))

    def _long_text(self) -> bytes:
        random = self._random
        length = random.choice((self._record_limit, 2 * self._record_limit, 998, 997, 999, 2500)) + random.randrange(-2, 3)
        letters = random.choice((b"l", b"lo ng", b".", b"=l", b"l\xfc", b"a: b", b"remove me ", b" "))
        return (letters * (length // len(letters) + 1))[: max(length, 0)]
