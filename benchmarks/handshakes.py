"""Case `tls`: what a TLS handshake costs our side, with and without a session to resume.

Client and server are in one process and talk through memory; only the client's calls are timed (processor time).  The server
has a P-256 certificate, the client checks it against an authority and looks for a name, as at level `verify`.
"""

from __future__ import annotations

import ssl
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.report import Table

HANDSHAKES_A_ROUND = 100


class Figures(NamedTuple):
    """Handshakes a second of processor time, full and resumed, and how many of the latter really were."""

    full_per_second: float
    resumed_per_second: float
    resumed_share: float


class _Server:
    """The other end, in memory."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    def take(self, data: bytes) -> bytes:
        self.incoming.write(data)
        try:
            self.tls.do_handshake()
            self.tls.write(b"250 Ok\r\n")
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()


def measure(repeats: int) -> Figures:
    """Time all of it; the best of `repeats` rounds."""
    from mailrider.model.tls import TlsLevel
    from mailrider.testkit.authority import make_root
    from mailrider.tls.terms import Authorities, Handshake, TlsTerms

    root = make_root()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "root.pem").write_bytes(root.pem)
        context = root.issue("mx", ["mx.example.test"]).server_context(folder)
        terms = TlsTerms(
            TlsLevel.VERIFY, Handshake(), authorities=Authorities(str(folder / "root.pem")), names=("mx.example.test",)
        )
        full = [_round(terms, context, 0.0) for _ in range(repeats)]
        resumed = [_round(terms, context, 3600.0) for _ in range(repeats)]
    return Figures(
        HANDSHAKES_A_ROUND / min(seconds for seconds, _ in full),
        HANDSHAKES_A_ROUND / min(seconds for seconds, _ in resumed),
        max(share for _, share in resumed),
    )


def _round(terms: object, context: ssl.SSLContext, session_seconds: float) -> tuple[float, float]:
    """Seconds of processor time of the client, and the share of handshakes that resumed a session."""
    from mailrider.tls.engine import TlsEngine

    engine = TlsEngine(session_seconds, time.monotonic)
    prepared = engine.prepare(terms)  # type: ignore[arg-type]
    seconds, resumed = 0.0, 0
    for number in range(HANDSHAKES_A_ROUND + 1):
        server = _Server(context)
        spent = -time.process_time()
        channel = engine.open(prepared, terms, "mx", "key")  # type: ignore[arg-type]
        over = channel.handshake()
        said = channel.take_outgoing()
        spent += time.process_time()
        while said or not over:
            answer = server.take(said)
            spent -= time.process_time()
            if over:
                channel.feed(answer)
            else:
                over = channel.handshake(answer)
            said = channel.take_outgoing()
            spent += time.process_time()
        if number:  # the first one of a round has nothing to resume
            seconds += spent
            assert channel.facts is not None
            resumed += channel.facts.resumed
    return seconds, resumed / HANDSHAKES_A_ROUND


def tabulate(figures: Figures, repeats: int) -> Table:
    """Both rates."""
    rows = [
        ("full", f"{figures.full_per_second:.0f}", f"{1e6 / figures.full_per_second:.0f}"),
        ("resumed", f"{figures.resumed_per_second:.0f}", f"{1e6 / figures.resumed_per_second:.0f}"),
        ("resumed of those that could be", f"{figures.resumed_share:.0%}", ""),
    ]
    return Table(f"tls: best of {repeats}", ("handshake, our side", "per second", "µs"), rows)
