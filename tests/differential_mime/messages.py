"""Messages nobody would write: random MIME trees with everything wrong that can be wrong with them.

The same seed gives the same message.  Line ends are CRLF, the last one too.
"""

from __future__ import annotations

from random import Random

_BOUNDARIES = (
    b"b", b"b1", b"b12", b"B", b"=_x", b"a b", b"--", b"-", b"", b"outer", b"outer-inner", b"x" * 9, b"y" * 70, b"z" * 300,
    b"q\xfcr", b"a;b", b"(c)", b"simple",
)  # fmt: skip

_TYPES = (
    b"text/plain", b"text/plain; charset=utf-8", b"TEXT/HTML", b"image/png", b"application/octet-stream; name=\"a b\"",
    b"message/rfc822", b"Message/RFC822; x=y", b"message/partial; id=1", b"message/external-body", b"message/global",
    b"message", b"", b";", b"()", b"text", b"/plain", b"\"message\"/rfc822", b"message/\"rfc822\"", b"(x)message(y)/(z)rfc822",
    b"message /\r\n rfc822", b"multipart", b"multipart/mixed",
)  # fmt: skip

_ENCODINGS = (
    b"8bit", b"8bit", b"8BIT", b"binary", b"7bit", b"base64", b"quoted-printable", b"x-unknown", b"\"8bit\"", b"(c) 8bit",
    b"8bit (c)", b"8bit;x", b"", b"\r\n 8bit", b"8bit\r\n\tmore", b"8 bit", b"binary,8bit", b"[8bit]",
)  # fmt: skip

_FIELDS = (
    b"Subject: plain", b"Subject : blank before the colon", b"Subject\t \t: more of it", b"Subject:", b"Subject:no blank",
    b"Subject: gr\xfc\xdfe", b"Subject: gr\xc3\xbc\xc3\x9fe", b"X-Nul: before\0after", b"X-Nul: a\0b\r\n more\0x", b"X-Remove: yes",
    b"X-Replace: old", b"X-Prepend: this", b"X-Folded: one\r\n two\r\n\tthree\r\n  \r\n four", b"X-Odd!#$%&'*+: name",
    b"X-Multi: a\r\n b", b"X-Warn: w\r\n\tw", b"Received: from x by y", b"Delivered-To: x@y.test", b"Message-ID: <a@local.test>",
    b"MIME-Version: 1.0", b"MIME-Version: 1.0 (x)", b"Content-Disposition: attachment; filename=x",
    b"Content-Description: X-Remove", b"Content-ID: <x>", b"Content-Length: 10", b"Content-Types: text/plain",
    b"X-Bad: action", b"X-Empty: action", b"X-NoHeader: action", b"X-Lower: action", b"X-Strip: s",
)  # fmt: skip

_ADDRESSES = (
    b"user@local.test", b"user+ext@local.test", b"user@origin.test", b"u1@example.test", b"u1+e@example.test",
    b"u2+e@example.test", b"any.one@all.test", b"any+one@all.test", b"\"john doe\"@example.test", b"john\\ doe@example.test",
    b"nobody@nowhere.test", b"bare", b"bare+x", b"<>", b"<u1@example.test>", b"U One <u1@example.test>",
    b"\"U, One\" <u1@example.test>", b"u1@example.test (U One)", b"(a (nested) b) u1@example.test", b"U <@a,@b:u1@example.test>",
    b"group: u1@example.test, user@local.test;", b"group:;", b"u1@example.test u2@example.test", b"u1 @ example . test",
    b"a!b!c", b"a%b@c.test", b"u1@[127.0.0.1]", b"user@[1\\]2]", b"=?utf-8?q?x?= <u1@example.test>", b"<u1@example.test",
    b"u1@example.test>", b"<<u1@example.test>>", b"\"unclosed <u1@example.test>", b"(unclosed u1@example.test", b"[unclosed",
    b"gr\xfcn@example.test", b"u1@example.test,", b",,u1@example.test", b";u1@example.test", b"x:y:u1@example.test;",
    b"u1@example.test.", b"u1@EXAMPLE.test", b"\"\"@example.test", b"u1@", b"@example.test", b"@", b"\\", b"u1@example.test\\",
    b"\"a\\\"b\"@example.test", b"a..b@example.test", b".a@example.test", b"postmaster+x@example.test", b"owner-u@example.test",
    b"Phrase With.Dots <u1@example.test>", b"<u1 u2@example.test>", b"<u1@example.test (c) x>", b"a (" + b"c" * 260 + b") <u1@example.test>",
    b"u1@example.test (" + b"d" * 300 + b")", b"\"" + b"p" * 251 + b"\" <u1@example.test>", b"two@results.test", b"nul@results.test",
    b"route@results.test", b"plain@results.test", b"phrase@results.test", b"user(c)@local.test", b"u1(c)@(d)example.test",
    b"dotless@results.test", b"bang@results.test", b"percent@results.test", b"trail@results.test", b"quoted@results.test", b"odd@results.test",
    b"\"u1\"@example.test", b"\"a\tb\" <u1@example.test>", b"\"a\r\n b\" <u1@example.test>", b"u1@example.test\r\n (fold)",
)  # fmt: skip

_ADDRESS_FIELDS = (
    b"From", b"To", b"Cc", b"cc", b"Reply-To", b"Sender", b"Resent-From", b"Resent-To", b"Errors-To", b"Return-Receipt-To",
    b"Disposition-Notification-To", b"Mail-Followup-To", b"Apparently-To", b"Resent-Reply-To", b"TO",
)  # fmt: skip

_LINES = (
    b"", b" ", b"\t", b"plain text", b"trailing blank ", b"trailing tab\t", b"two blanks  ", b".", b"..", b".dot", b"=", b"a=b",
    b"=20", b"gr\xfc\xdfe", b"gr\xc3\xbc\xc3\x9fe aus K\xc3\xb6ln", b"--", b"---", b"-- ", b"--b", b"--b--", b"--b1", b"--b1--",
    b"--b-", b"--outer", b"--outer--", b"--simple--", b"-- b", b"\0", b"a\0b", b"\x7f", b"\x1b[0m", b"From someone", b"X-Remove: yes",
    b"remove me", b"replace me", b"prepend me", b"\xff\xfe\xfd", b"=3D", b"\xa0", b"\x0b\x0c", b".\xfc", b"\xe2\x82\xac" * 20,
)  # fmt: skip


class MessageMaker:
    """Makes messages.  `record_limit` is the length near which long lines are made."""

    def __init__(self, seed: int, record_limit: int = 2048) -> None:
        self._random = Random(seed)
        self._record_limit = record_limit
        self._open: list[bytes] = []  # boundaries that a line may be made of

    def make(self) -> bytes:
        """A message."""
        self._open = []
        text = b"\r\n".join(self._entity(0, primary=True)) + b"\r\n"
        return text.replace(b"\r\n", b"\n").replace(b"\r", b" ").replace(b"\n", b"\r\n")

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _pick(self, choices: tuple[bytes, ...]) -> bytes:
        return self._random.choice(choices)

    # -- entities --------------------------------------------------------------------------------------------------

    def _entity(self, depth: int, *, primary: bool = False) -> list[bytes]:
        random = self._random
        kind = random.choice(("leaf", "leaf", "multipart", "multipart", "message", "odd") if depth < 5 else ("leaf",))
        boundary = self._pick(_BOUNDARIES)
        lines = [self._field() for _ in range(random.choice((0, 1, 2, 5, 10)))]
        own = []
        if kind == "multipart":
            own.append(b"Content-Type: " + self._multipart_type(boundary))
        elif kind == "message":
            own.append(b"Content-Type: " + random.choice((b"message/rfc822", b"message/global", b"message/rfc822; a=b")))
        elif kind == "odd" or self._chance(0.5):
            own.append(b"Content-Type: " + self._pick(_TYPES))
        if self._chance(0.7):
            own.append(self._pick((b"Content-Transfer-Encoding", b"content-transfer-encoding")) + b": " + self._pick(_ENCODINGS))
        if self._chance(0.05):
            own.append(b"Content-Transfer-Encoding: " + self._pick(_ENCODINGS))
        lines += own
        random.shuffle(lines)
        if primary:
            lines.insert(0, b"From: sender@origin.test")
        if self._chance(0.04):
            lines.append(self._pick((b"garbage without a colon", b" begins with a blank", b": no name", b"na me: x", b"\xfc: x")))
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
        return random.choice((b"multipart/", b"MultiPart/", b"multipart /")) + subtype + random.choice(
            (
                b"; boundary=" + quoted, b"; boundary=" + quoted, b"; boundary=" + boundary, b";\r\n\tBOUNDARY=" + quoted,
                b"; charset=x; boundary = " + quoted + b"; x=y", b"; (c) boundary(d)=(e)" + quoted, b"; boundary*0=" + quoted,
                b"; boundary=" + quoted + b"; boundary=b1", b"; boundary=\"b\r\n \"", b"; boundary=\"unclosed", b"", b";;; boundary=" + quoted,
                b"; boundary=\"esc\\aped\"", b" boundary=" + quoted, b"; boundary=" + quoted + b"garbage",
            )
        )  # fmt: skip

    # -- fields ----------------------------------------------------------------------------------------------------

    def _field(self) -> bytes:
        random = self._random
        if self._chance(0.3):
            value = random.choice((b", ", b",", b",\r\n\t", b" ")).join(
                self._pick(_ADDRESSES) for _ in range(random.choice((1, 1, 2, 3, 8)))
            )
            return self._pick(_ADDRESS_FIELDS) + random.choice((b": ", b":", b" : ")) + value
        if self._chance(0.03):
            return b"X-Long: " + self._long_text()
        if self._chance(0.02):
            return b"X-Many: " + b"\r\n ".join([b"z" * random.randrange(90)] * random.randrange(60))
        return self._pick(_FIELDS)

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
        return self._pick(_LINES)

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
