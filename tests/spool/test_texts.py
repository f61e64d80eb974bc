"""The texts of small messages are read ahead, within a bound, and given out once."""

from __future__ import annotations

import gc
import sqlite3

import pytest

from mailrider.errors import ContentUnreadable
from mailrider.spool import texts as texts_module
from mailrider.spool.texts import Texts

ROWS = {1: b"", 2: b"one\r\n", 3: bytes(range(256)) * 10, 5: b"\x00\xff\r\n"}


@pytest.fixture
def connection() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE content (key INTEGER PRIMARY KEY, octets BLOB NOT NULL)")
    connection.executemany("INSERT INTO content VALUES (?, ?)", ROWS.items())
    return connection


def test_what_is_read_together_is_what_is_read_alone(connection: sqlite3.Connection) -> None:
    texts = Texts(connection)
    texts.look_ahead([5, 3, 1, 2, 77], 5000)
    contents = {key: texts.content(key, len(octets)) for key, octets in ROWS.items()}
    connection.execute("UPDATE content SET octets = x'31'")
    for key, octets in ROWS.items():
        assert b"".join(contents[key].chunks()) == octets, "from memory"
        assert b"".join(contents[key].chunks()) == b"1", "from its row"
    assert texts.held_octets == 0
    connection.close()


def test_what_is_held_is_bounded(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts_module, "AHEAD_LIMIT_OCTETS", 10)
    texts = Texts(connection)
    texts.look_ahead([2], 5)
    first = texts.content(2, 5)
    assert texts.held_octets == 5
    texts.look_ahead([2, 5], 9)
    second = texts.content(2, 5)
    assert texts.held_octets == 5, "it was not read"
    assert list(second.chunks()) == [b"one\r\n"]
    assert texts.held_octets == 5
    del first
    gc.collect()
    assert texts.held_octets == 0, "nobody has read it, and nobody will"
    texts.look_ahead([], 0)
    connection.close()


def test_a_row_that_is_gone(connection: sqlite3.Connection) -> None:
    texts = Texts(connection)
    with pytest.raises(ContentUnreadable, match="deleted"):
        texts.content(77, 5).chunks()
    texts.close()
    with pytest.raises(ContentUnreadable, match="cannot be read"):
        texts.content(2, 5).chunks()
