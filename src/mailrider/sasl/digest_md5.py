"""DIGEST-MD5 (RFC 2831), authentication only: no integrity or privacy layer is ever asked for.

RFC 6331 made the mechanism historic; there are servers that have nothing better.  The realm is the server's if it names
one, else its host name; where it names several, the host name too, since nobody is there to choose.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import b64encode
from collections.abc import Callable

from mailrider.sasl.mechanism import AUTHENTICATION_FAILURE, FAILURE, GENERIC_FAILURE, NOT_MUTUAL, Identity, Mechanism

NONCE_OCTETS = 32
"""Of randomness; RFC 2831 §2.1.2 asks for 8 at least."""

MAXBUF_LEAST = 16
MAXBUF_MOST = 0xFFFFFF
"""The bounds of `maxbuf` (RFC 2831 §2.1.1)."""

_PAIR = re.compile(
    rb"""[\s,]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*   # the name
         (?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))           # a quoted or a plain value
         \s*(?=,|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_SEPARATORS = b" \t\r\n,"


def make_nonce() -> bytes:
    """What nobody can guess."""
    return b64encode(secrets.token_bytes(NONCE_OCTETS))


def parse_directives(challenge: bytes) -> list[tuple[str, bytes]] | None:
    """`name=value` pairs in the order given, names in lower case, quotes taken off; None where it is no list of them."""
    pairs: list[tuple[str, bytes]] = []
    position = 0
    while challenge[position:].strip(_SEPARATORS):
        match = _PAIR.match(challenge, position)
        if match is None:
            return None
        value = match[3] if match[2] is None else _ESCAPED.sub(rb"\1", match[2])
        pairs.append((match[1].decode("ascii").lower(), value))
        position = match.end()
    return pairs


def _quote(octets: bytes) -> bytes:
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", octets) + b'"'


def _to_latin1(octets: bytes) -> bytes:
    """ISO 8859-1 where the text has such a form: RFC 2831 §2.1.2.1 wants it digested so, whatever it is sent in."""
    try:
        return octets.decode("utf-8").encode("latin-1")
    except UnicodeError:
        return octets


class DigestMd5(Mechanism):
    """Two steps: the digest of ours, then the server's proof that it knows the password too."""

    name = "DIGEST-MD5"

    def __init__(self, identity: Identity, nonce: Callable[[], bytes] = make_nonce) -> None:
        super().__init__(identity)
        self._nonce = nonce
        self._expected: bytes | None = None  # what the server has to show

    def _answer(self, challenge: bytes) -> bytes | None:
        if self._expected is None:
            return self._show(challenge)
        given = dict(parse_directives(challenge) or ()).get("rspauth", b"")
        if not hmac.compare_digest(given, self._expected):
            return self._fail(
                NOT_MUTUAL, FAILURE + "DIGEST-MD5: This server wants us to believe that he knows shared secret"
            )
        self.ended = True
        return b""

    def _show(self, challenge: bytes) -> bytes | None:
        if not challenge:
            return self._fail(GENERIC_FAILURE, FAILURE + "no server challenge")
        pairs = parse_directives(challenge)
        if pairs is None:
            return self._fail(AUTHENTICATION_FAILURE, FAILURE + "Parse error")
        given = dict(pairs)
        trouble = _find_fault(pairs, given)
        if trouble is not None:
            return self._fail(trouble[0], FAILURE + trouble[1])
        realms = [value for name, value in pairs if name == "realm"]
        host = self._identity.host.lower().encode("utf-8", "surrogateescape")
        return self._digest(realms[0] if len(realms) == 1 else host, given["nonce"], host)

    def _digest(self, realm: bytes, nonce: bytes, host: bytes) -> bytes:
        identity, cnonce = self._identity, self._nonce()
        user, authzid = identity.user_octets, identity.authzid_octets
        uri = identity.service.encode() + b"/" + host
        parts = [_to_latin1(user), _to_latin1(realm), _to_latin1(identity.secret.reveal())]
        a1 = hashlib.md5(b":".join(parts)).digest() + b":" + nonce + b":" + cnonce
        if authzid:
            a1 += b":" + authzid
        key = hashlib.md5(a1).hexdigest().encode()

        def prove(method: bytes) -> bytes:
            a2 = hashlib.md5(method + b":" + uri).hexdigest().encode()
            return hashlib.md5(b":".join((key, nonce, b"00000001", cnonce, b"auth", a2))).hexdigest().encode()

        self._expected = prove(b"")
        answer = b"username=%b,realm=%b,nonce=%b,cnonce=%b,nc=00000001,qop=auth,digest-uri=%b,response=%b" % (
            _quote(user), _quote(realm), _quote(nonce), _quote(cnonce), _quote(uri), prove(b"AUTHENTICATE"),
        )  # fmt: skip
        return answer + (b",authzid=" + _quote(authzid) if authzid else b"")


def _find_fault(pairs: list[tuple[str, bytes]], given: dict[str, bytes]) -> tuple[str, str] | None:
    """What is wrong with a challenge: the failure, and what the log says.  None where it can be answered."""
    if given.get("charset", b"utf-8").lower() != b"utf-8":
        return AUTHENTICATION_FAILURE, "Charset must be UTF-8"
    maxbuf = given.get("maxbuf")
    if maxbuf is not None and not (maxbuf.isdigit() and MAXBUF_LEAST < int(maxbuf[:10]) <= MAXBUF_MOST):
        return AUTHENTICATION_FAILURE, "Invalid maxbuf parameter received from server"
    algorithms = [value for name, value in pairs if name == "algorithm"]
    if len(algorithms) != 1:
        return GENERIC_FAILURE, f"Must see 'algorithm' once. {'Saw it more often' if algorithms else 'Did not see it at all'}"
    if algorithms[0].lower() != b"md5-sess":
        return GENERIC_FAILURE, "'algorithm' isn't 'md5-sess'"
    if "nonce" not in given:
        return GENERIC_FAILURE, "Don't have nonce."
    offered = [word.strip().lower() for word in given.get("qop", b"auth").split(b",")]
    if b"auth" not in offered:
        return GENERIC_FAILURE, 'Server doesn\'t support "no layer"'
    return None
