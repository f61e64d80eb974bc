"""The engine keeps contexts, and loads nothing before it must."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

from mailrider.tls.engine import CONTEXTS_LIMIT, TlsEngine
from mailrider.tls.protocols import Protocols
from mailrider.tls.terms import Handshake

from .peer import ANY


def test_equal_terms_share_a_context() -> None:
    engine = TlsEngine(0.0, lambda: 0.0)
    first = engine.prepare(ANY)
    assert engine.prepare(replace(ANY, names=("a.example",), server_name="b.example")) is first
    assert engine.prepare(replace(ANY, depth=3)) is not first
    for ceiling in range(CONTEXTS_LIMIT):
        engine.prepare(replace(ANY, handshake=Handshake(Protocols(ceiling=0x0304), options=(str(ceiling),))))
    assert engine.prepare(ANY) is not first


def test_a_session_that_failed_is_not_offered_again() -> None:
    TlsEngine(10.0, lambda: 0.0).forget_session(ANY, "key")


def test_an_engine_that_is_not_used_loads_no_library() -> None:
    program = (
        "import sys, mailrider.delivery.agent\n"
        "from mailrider.tls.engine import TlsEngine\n"
        "TlsEngine(0.0, float)\n"
        "print([name for name in ('OpenSSL', 'cryptography') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
