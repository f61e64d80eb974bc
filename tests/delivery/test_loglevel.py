"""How much is logged of TLS."""

from __future__ import annotations

import pytest

from mailrider.delivery.loglevel import TlsLog, read_loglevel


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), TlsLog()),
        (("0",), TlsLog()),
        (("1",), TlsLog(summary=True)),
        (("routine", "untrusted"), TlsLog(summary=True, untrusted=True)),
        (("2",), TlsLog(summary=True, certificates=True, matches=True)),
        (("peercert", "certmatch"), TlsLog(certificates=True, matches=True)),
        (("cache", "dane", "ssl-session-packet-dump"), TlsLog()),
    ],
)
def test_words(words: tuple[str, ...], expected: TlsLog) -> None:
    assert read_loglevel(words) == expected
