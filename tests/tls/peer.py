"""The other end of a TLS connection, in memory."""

from __future__ import annotations

import ssl
from pathlib import Path

from mailrider.errors import TlsTrouble
from mailrider.model.tls import TlsLevel
from mailrider.testkit.authority import Certificate
from mailrider.tls.channel import Channel
from mailrider.tls.terms import Handshake, TlsTerms

ANY = TlsTerms(TlsLevel.ENCRYPT, Handshake())
"""Encryption and nothing else."""


class MemoryServer:
    """A server that answers what a channel says."""

    def __init__(self, certificate: Certificate, folder: Path, *, context: ssl.SSLContext | None = None) -> None:
        self.context = context or certificate.server_context(folder)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = self.context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.heard = b""

    def take(self, data: bytes) -> bytes:
        """Octets of the client go in, octets for it come out."""
        self.incoming.write(data)
        try:
            if self.tls.version() is None or self.tls.cipher() is None:
                self.tls.do_handshake()
            while text := self.tls.read(65536):
                self.heard += text
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            pass
        return self.outgoing.read()

    def say(self, text: bytes) -> bytes:
        """What the client has to be given to hear this."""
        self.tls.write(text)
        return self.outgoing.read()


def shake_hands(channel: Channel, server: MemoryServer) -> None:
    """Let both come to the end of their handshake.  Raises `TlsTrouble`."""
    over = channel.handshake()
    for _ in range(10):
        said = server.take(channel.take_outgoing())
        if over:
            if said:
                channel.feed(said)
            return
        if not said:
            raise TlsTrouble("the server has nothing to say")
        over = channel.handshake(said)
    raise TlsTrouble("no end of it")
