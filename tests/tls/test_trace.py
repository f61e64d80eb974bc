"""Transcripts of TLS."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.testkit.authority import make_root
from mailrider.tls.channel import Channel
from mailrider.tls.engine import TlsEngine
from mailrider.tls.trace import TRUNCATED, UNAVAILABLE, Trace, attach, describe

from .peer import ANY, MemoryServer, shake_hands

SERVER = make_root("Root").issue("mx.example.test")


class File:
    def __init__(self, limit_octets: int = 1_000_000) -> None:
        self.text = b""
        self.closed = 0
        self.trace = Trace(self.write, self.close, limit_octets)

    def write(self, text: bytes) -> None:
        assert not self.closed
        self.text += text

    def close(self) -> None:
        self.closed += 1


def converse(folder: Path, file: File) -> None:
    engine = TlsEngine(0.0, lambda: 0.0)
    channel = engine.open(engine.prepare(ANY), ANY, "mx", "key", file.trace)
    assert isinstance(channel, Channel)
    server = MemoryServer(SERVER, folder)
    shake_hands(channel, server)
    channel.encrypt(b"AUTH PLAIN c2VjcmV0")
    server.take(channel.take_outgoing())
    assert server.heard == b"AUTH PLAIN c2VjcmV0"


def test_a_handshake_is_told_from_both_sides_and_no_secret(tmp_path: Path) -> None:
    file = File()
    converse(tmp_path, file)
    text = file.text.decode()
    for words in ("Sent TLS Record", "Received TLS Record", "ClientHello (1), ", "ServerHello (2), ", "Finished (20), "):
        assert words in text
    assert "Content Type = Handshake (22)" in text
    assert b"secret".hex(" ") not in text
    assert b"AUTH PLAIN".hex(" ") not in text


def test_only_the_connection_in_question_is_told(tmp_path: Path) -> None:
    file = File()
    converse(tmp_path, file)
    length = len(file.text)
    converse(tmp_path, File())
    assert len(file.text) == length


@pytest.mark.parametrize("limit", [1, 100, 1000])
def test_the_limit(tmp_path: Path, limit: int) -> None:
    file = File(limit)
    converse(tmp_path, file)
    assert file.text.endswith(TRUNCATED.encode())
    assert len(file.text) == limit + len(TRUNCATED)
    assert file.closed == 1


def test_a_disk_that_is_full_ends_the_trace(tmp_path: Path) -> None:
    file = File()

    def fail(text: bytes) -> None:
        raise OSError("no space left")

    file.trace = Trace(fail, file.close, 1000)
    converse(tmp_path, file)
    assert file.closed == 1


def test_a_library_that_does_not_tell() -> None:
    file = File()
    assert not attach(object(), file.trace)  # type: ignore[arg-type]
    file.trace.give_up()
    assert (file.text, file.closed) == (UNAVAILABLE, 1)


@given(st.booleans(), st.integers(0, 0xFFFF), st.integers(0, 260), st.binary(max_size=100))
def test_anything_can_be_told(sent: bool, version: int, content_type: int, octets: bytes) -> None:
    assert all(line.isascii() and line.isprintable() for line in describe(sent, version, content_type, octets))
