"""One TLS connection as a machine: octets from the peer go in, octets for the peer and plain text come out.

There is no socket here and no clock.  `handshake` and `feed` take what came in; `take_outgoing` gives what has to go out, and
whoever drives the channel sends it after each call.  Every failure of TLS is a `TlsTrouble`, whatever OpenSSL calls it.

A handshake ends well with any certificate: what the peer has proved is in `facts`.  Renegotiation is refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from mailrider.errors import TlsTrouble
from mailrider.model.tls import PeerFacts, TlsFacts
from mailrider.tls.context import tell_errors
from mailrider.tls.sessions import KeptSession
from mailrider.tls.terms import TlsTerms
from mailrider.tls.verdict import Objection, judge

if TYPE_CHECKING:
    from OpenSSL import SSL, crypto

    from mailrider.tls.trace import Trace

RECORD_OCTETS = 16 * 1024
"""What one TLS record holds (RFC 8446 §5.1)."""

HANDSHAKE_LIMIT_OCTETS = 256 * 1024
"""What a peer may send before the handshake is over.  OpenSSL itself takes no more than 100 kB of certificates."""

OBJECTIONS_LIMIT = 100
"""Objections to one chain that are kept."""

_ALGORITHM_BITS = {"3DES": 168, "DES-CBC3": 168}
"""Ciphers whose key is longer than its strength."""


class BrokenChannel:
    """Stands where there can be no handshake, and says so when it is to begin."""

    facts: TlsFacts | None = None
    ended = True
    linger_seconds = 0.0

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def handshake(self, data: bytes = b"") -> bool:
        """Raises `TlsTrouble`."""
        raise TlsTrouble(self._reason)

    def feed(self, data: bytes) -> bytes:
        """Raises `TlsTrouble`."""
        raise TlsTrouble(self._reason)

    def encrypt(self, data: bytes) -> None:
        """Raises `TlsTrouble`."""
        raise TlsTrouble(self._reason)

    def take_outgoing(self) -> bytes:
        """Nothing."""
        return b""

    def say_goodbye(self) -> None:
        """Do nothing."""


class Channel:
    """A client's TLS connection on the given terms to the server that the log calls `relay` (`H[A]:P`).

    `kept` is a session to resume.  `keep` is called once with a session that may be resumed later, if there is one.  `trace` is
    who listens to it, and is closed with it.  `linger_seconds` is how long the peer's goodbye is waited for at the end.
    """

    __slots__ = (
        "_asked", "_connection", "_keep", "_kept", "_objections", "_received_octets", "_relay", "_terms", "_trace",
        "ended", "facts", "linger_seconds",
    )  # fmt: skip

    def __init__(
        self,
        context: SSL.Context,
        terms: TlsTerms,
        relay: str,
        *,
        kept: KeptSession | None = None,
        keep: Callable[[KeptSession], None] | None = None,
        trace: Trace | None = None,
    ) -> None:
        from OpenSSL import SSL

        self._trace = trace
        self._terms = terms
        self._relay = relay
        self._kept = kept
        self._keep = keep
        self._objections: list[Objection] = []
        self._received_octets = 0
        self._asked = False  # OpenSSL has looked at a certificate
        self.ended = False
        self.linger_seconds = 0.0
        self.facts: TlsFacts | None = None
        self._connection = SSL.Connection(context, None)
        self._connection.set_verify(SSL.VERIFY_PEER, self._note_verification)
        if terms.server_name:
            self._connection.set_tlsext_host_name(terms.server_name.encode())
        if kept is not None:
            self._connection.set_session(kept.session)
        self._connection.set_connect_state()

    def _note_verification(self, _: SSL.Connection, certificate: crypto.X509, number: int, depth: int, ok: int) -> bool:
        """OpenSSL has looked at a certificate.  It goes on in any case."""
        self._asked = True
        if not ok and len(self._objections) < OBJECTIONS_LIMIT:
            self._objections.append(Objection(number, depth))
        return True

    # -- the handshake ---------------------------------------------------------------------------------------------

    def handshake(self, data: bytes = b"") -> bool:
        """Take octets of the peer and go on with the handshake; True when it is over.  Raises `TlsTrouble`."""
        from OpenSSL import SSL

        self._received_octets += len(data)
        if self._received_octets > HANDSHAKE_LIMIT_OCTETS:
            raise TlsTrouble("the handshake does not come to an end")
        try:
            if data:
                self._connection.bio_write(data)
            self._connection.do_handshake()
        except SSL.WantReadError:
            return False
        except (SSL.Error, ValueError) as trouble:
            self._connection.set_verify(SSL.VERIFY_PEER)
            raise TlsTrouble(tell_errors(trouble)) from None
        self._connection.set_verify(SSL.VERIFY_PEER)  # who holds the callback holds this object, which holds the connection
        self.facts = self._gather()
        return True

    def _gather(self) -> TlsFacts:
        connection = self._connection
        kept = self._find_resumed()
        peer = kept.peer if kept is not None else self._judge()
        cipher = connection.get_cipher_name() or ""
        bits = connection.get_cipher_bits() or 0
        longer = next((length for name, length in _ALGORITHM_BITS.items() if name in cipher), bits)
        protocol = connection.get_protocol_version_name()
        return TlsFacts(
            level=self._terms.level,
            protocol=protocol,
            cipher=cipher,
            cipher_bits=bits,
            algorithm_bits=longer,
            peer=peer,
            key_exchange=self._find_group() if protocol == "TLSv1.3" else "",
            resumed=kept is not None,
            server_name=self._terms.server_name,
        )

    def _find_resumed(self) -> KeptSession | None:
        """The session that was resumed, or None after a full handshake.

        Only a full handshake looks at certificates, or shows none; a resumed session still has the one that it began with.
        """
        if self._kept is None or self._asked:
            return None
        from cryptography.hazmat.primitives.serialization import Encoding

        leaf = self._connection.get_peer_certificate(as_cryptography=True)
        same = leaf is not None and leaf.public_bytes(Encoding.DER) == self._kept.peer.certificate
        return self._kept if same else None

    def _judge(self) -> PeerFacts:
        return judge(self.shown_chain(), self._objections, self._terms, self._relay)

    def shown_chain(self) -> list[bytes]:
        """The certificates that the peer has shown in this handshake, DER, its own first; none in a resumed session."""
        from cryptography.hazmat.primitives.serialization import Encoding

        leaf = self._connection.get_peer_certificate(as_cryptography=True)
        chain = self._connection.get_peer_cert_chain(as_cryptography=True) or []
        shown = [each.public_bytes(Encoding.DER) for each in chain]
        if leaf is not None and not shown:
            shown = [leaf.public_bytes(Encoding.DER)]
        return shown

    def _find_group(self) -> str:
        name = self._connection.get_group_name()
        return {"x25519": "X25519", "x448": "X448"}.get(name, name) if name else ""

    # -- the conversation ------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> bytes:
        """Take octets of the peer; the plain text in them.  `ended` tells whether more can come.  Raises `TlsTrouble`."""
        from OpenSSL import SSL

        connection = self._connection
        pieces: list[bytes] = []
        try:
            if data:
                connection.bio_write(data)
            while True:
                pieces.append(connection.recv(RECORD_OCTETS))
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.ended = True
        except (SSL.Error, ValueError) as trouble:
            self.ended = True
            if not pieces:
                raise TlsTrouble(tell_errors(trouble)) from None
        if pieces and self._keep is not None:
            self._keep_session()  # TLS 1.3 sends its tickets after the handshake, so before the first plain text
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def encrypt(self, data: bytes) -> None:
        """Take plain text for the peer.  Raises `TlsTrouble`."""
        from OpenSSL import SSL

        view = memoryview(data)
        try:
            while view:
                view = view[self._connection.send(view[:RECORD_OCTETS]) :]
        except (SSL.Error, ValueError) as trouble:
            raise TlsTrouble(tell_errors(trouble)) from None

    def say_goodbye(self) -> None:
        """Tell the peer that no more will come (RFC 8446 §6.1).  Never raises."""
        from OpenSSL import SSL

        try:
            self._connection.shutdown()
        except SSL.Error:
            pass

    def take_outgoing(self) -> bytes:
        """What has to go to the peer now."""
        from OpenSSL import SSL

        pieces: list[bytes] = []
        try:
            while True:
                pieces.append(self._connection.bio_read(8 * RECORD_OCTETS))
        except SSL.WantReadError:
            pass
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def __del__(self) -> None:
        """Let the session outlive a connection that nobody said goodbye to.

        OpenSSL marks the session of a connection that is freed without a close_notify as good for nothing, a rule of
        TLS 1.0 that RFC 4346 §7.2.1 took back: most servers hang up after QUIT without one.  A fatal alert still ends it.
        """
        with contextlib.suppress(AttributeError, TypeError, ImportError):  # half made, or the interpreter is at its end
            from OpenSSL import SSL

            self._connection.set_shutdown(SSL.SENT_SHUTDOWN | SSL.RECEIVED_SHUTDOWN)
            if self._trace is not None:
                self._trace.close()

    def _keep_session(self) -> None:
        keep, self._keep = self._keep, None
        session = self._connection.get_session()
        if keep is not None and session is not None and self.facts is not None:
            keep(KeptSession(session, self.facts.peer))

    # -- for those who log in ---------------------------------------------------------------------------------------

    def binding(self, kind: str) -> bytes | None:
        """Channel binding data of a kind (RFC 5929, RFC 9266); None where this connection has none of it.

        `tls-exporter` on TLS 1.3; `tls-unique` before it; `tls-server-end-point` wherever the server showed a certificate.
        """
        assert self.facts is not None
        modern = self.facts.protocol == "TLSv1.3"
        if kind == "tls-exporter" and modern:
            return self._connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
        if kind == "tls-unique" and not modern:
            # The first Finished message of the handshake: the server's where a session was resumed.
            resumed = self.facts.resumed
            return self._connection.get_peer_finished() if resumed else self._connection.get_finished()
        if kind == "tls-server-end-point" and self.facts.peer.certificate:
            return _end_point_of(self.facts.peer.certificate)
        return None


def _end_point_of(der: bytes) -> bytes | None:
    """RFC 5929 §4.1: the digest of the certificate by its own signature's algorithm, SHA-256 in the place of weak ones."""
    import hashlib

    from cryptography.exceptions import UnsupportedAlgorithm

    from mailrider.tls.certificate import load

    certificate = load(der)
    try:
        algorithm = certificate.signature_hash_algorithm if certificate is not None else None
    except UnsupportedAlgorithm:
        return None
    if algorithm is None:
        return None
    name = "sha256" if algorithm.name in ("md5", "sha1") else algorithm.name
    return hashlib.new(name, der).digest()
