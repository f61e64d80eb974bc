"""A transcript of TLS for people: every record and every handshake message of one connection, as far as a limit goes.

It is laid out like that of `openssl s_client -trace`, with the octets of handshake messages and alerts in hexadecimal in the
place of their fields.  What was encrypted shows here as it was before or after, but of application data no more than the
length: there are no passwords in it.

The library is listened to through a function of its binding that pyOpenSSL has no name for; `attach` says no where it is
missing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from OpenSSL import SSL

UNAVAILABLE = b"The TLS library cannot be listened to: there is no trace.\n"
TRUNCATED = "\n[TLS trace truncated: size limit reached]\n"

OCTETS_A_LINE = 16

_HEADER = 256
_INNER_TYPE = 257
_HANDSHAKE = 22
"""Pseudo content types of OpenSSL (ssl3.h), and the one that has messages in it."""

_CONTENT_TYPES = {20: "ChangeCipherSpec", 21: "Alert", _HANDSHAKE: "Handshake", 23: "ApplicationData", 24: "Heartbeat"}
_VERSIONS = {0x0300: "SSL 3.0", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3"}
_MESSAGES = {
    0: "HelloRequest", 1: "ClientHello", 2: "ServerHello", 4: "NewSessionTicket", 8: "EncryptedExtensions", 11: "Certificate",
    12: "ServerKeyExchange", 13: "CertificateRequest", 14: "ServerHelloDone", 15: "CertificateVerify", 16: "ClientKeyExchange",
    20: "Finished", 22: "CertificateStatus", 24: "KeyUpdate", 25: "CompressedCertificate",
}  # fmt: skip
"""RFC 8446 §4, RFC 5246 §7.4."""


class Trace:
    """Writes what it hears by `write`, until `limit_octets`; then, or with the connection, `close` is called."""

    __slots__ = ("_close", "_left_octets", "_write", "callback")

    def __init__(self, write: Callable[[bytes], object], close: Callable[[], object], limit_octets: int) -> None:
        self._write = write
        self._close: Callable[[], object] | None = close
        self._left_octets = limit_octets
        self.callback: Any = None

    def hear(self, sent: bool, version: int, content_type: int, octets: bytes) -> None:
        """One thing that the library tells of.  What cannot be written ends the trace."""
        if self._close is None:
            return
        text = "".join(f"{line}\n" for line in describe(sent, version, content_type, octets)).encode()
        try:
            self._write(text[: self._left_octets])
            self._left_octets -= len(text)
            if self._left_octets <= 0:
                self._write(TRUNCATED.encode())
                self.close()
        except OSError:
            self.close()

    def give_up(self) -> None:
        """The library does not tell."""
        with contextlib.suppress(OSError):
            self._write(UNAVAILABLE)
        self.close()

    def close(self) -> None:
        """Hear no more."""
        close, self._close = self._close, None
        if close is not None:
            with contextlib.suppress(OSError):
                close()


def describe(sent: bool, version: int, content_type: int, octets: bytes) -> Iterator[str]:
    """The lines for one record header, handshake message, alert or change of ciphers."""
    if content_type == _HEADER:
        yield ""
        yield f"{'Sent' if sent else 'Received'} TLS Record"
        yield "Header:"
        if len(octets) >= 5:
            yield f"  Version = {_name(_VERSIONS, int.from_bytes(octets[1:3], 'big'), '#06x')}"
            yield f"  Content Type = {_name(_CONTENT_TYPES, octets[0], 'd')}"
            yield f"  Length = {int.from_bytes(octets[3:5], 'big')}"
        return
    if content_type == _INNER_TYPE:
        yield f"  Inner Content Type = {_name(_CONTENT_TYPES, octets[0] if octets else 0, 'd')}"
        return
    if content_type == _HANDSHAKE and len(octets) >= 4:
        yield f"    {_name(_MESSAGES, octets[0], 'd')}, {_VERSIONS.get(version, hex(version))}, Length={len(octets) - 4}"
        octets = octets[4:]
    else:
        yield f"    {_name(_CONTENT_TYPES, content_type, 'd')}, Length={len(octets)}"
    for start in range(0, len(octets), OCTETS_A_LINE):
        yield f"      {start:04x} - {octets[start : start + OCTETS_A_LINE].hex(' ')}"


def _name(names: dict[int, str], number: int, form: str) -> str:
    return f"{names.get(number, 'Unknown')} ({format(number, form)})"


def attach(context: SSL.Context, trace: Trace) -> bool:
    """Have `trace` hear all that goes on in connections of this context; False where the library does not tell.

    The context must be used for one connection only.
    """
    from OpenSSL import SSL

    library, ffi, bare = getattr(SSL, "_lib", None), getattr(SSL, "_ffi", None), getattr(context, "_context", None)
    listen = getattr(library, "SSL_CTX_set_msg_callback", None)
    if listen is None or ffi is None or bare is None:
        return False

    def hear(written: int, version: int, content_type: int, octets: Any, count: int, _: Any, __: Any) -> None:
        trace.hear(bool(written), version, content_type, bytes(ffi.buffer(octets, count)))

    trace.callback = ffi.callback("void(int, int, int, void *, size_t, SSL *, void *)", hear)
    listen(bare, trace.callback)
    return True
