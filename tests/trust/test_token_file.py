from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.trust.token_file import FILE_LIMIT_OCTETS, TokenFile, is_token, parse_tokens, read_tokens, write_tokens

FULL = {
    "access_token": "AT-1", "expiry": "1700000000", "refresh_token": "RT-1", "client_id": "me", "client_secret": "CS-1",
    "token_endpoint": "https://login.example/token", "scope": "mail", "user": "u@example.test",
}  # fmt: skip


def write(path: Path, found: Any) -> str:
    path.write_text(found if isinstance(found, str) else json.dumps(found))
    return str(path)


def read(path: Path, found: Any) -> TokenFile:
    tokens = read_tokens(write(path, found))
    assert isinstance(tokens, TokenFile), tokens
    return tokens


def test_a_file_is_read(tmp_path: Path) -> None:
    tokens = read(tmp_path / "t", FULL)
    assert tokens.access_token is not None
    assert tokens.access_token.text == "AT-1"
    assert tokens.expiry_seconds == 1_700_000_000
    assert (tokens.client_id, tokens.token_endpoint, tokens.scope) == ("me", "https://login.example/token", "mail")
    for secret in ("AT-1", "RT-1", "CS-1"):
        assert secret not in repr(tokens)


def test_everything_may_be_absent(tmp_path: Path) -> None:
    tokens = read(tmp_path / "t", {})
    assert (tokens.access_token, tokens.expiry_seconds, tokens.refresh_token, tokens.client_secret) == (None,) * 4


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ("", "is no JSON object"),
        ("[]", "is no JSON object"),
        ("[" * 20000, "is no JSON object"),
        ('"x"', "is no JSON object"),
        ({"access_token": "two\nlines"}, "has a access_token that is no token"),
        ({"access_token": 7}, "no token"),
        ({"refresh_token": "\x01"}, "no token"),
        ({"client_secret": "\u00e4"}, "no token"),
        ({"expiry": "soon"}, "no number"),
        ({"expiry": []}, "no number"),
        ({"expiry": -1}, "no time"),
        ({"expiry": "inf"}, "no time"),
        ({"expiry": "nan"}, "no time"),
        ({"token_endpoint": 1}, "no text"),
        ("x" * (FILE_LIMIT_OCTETS + 1), "octets"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told_without_quoting_it(tmp_path: Path, found: Any, said: str) -> None:
    reason = read_tokens(write(tmp_path / "t", found))
    assert isinstance(reason, str)
    assert said in reason
    assert len(reason) < 300


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert read_tokens(str(tmp_path / "t")) == f"token file {tmp_path}/t cannot be read: No such file or directory"
    assert read_tokens("/a\0b") == "token file /a\0b cannot be read: not a file name"


def test_new_tokens_replace_the_old_ones_and_leave_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path / "t", FULL)
    os.chmod(path, 0o640)
    tokens = read_tokens(path)
    assert isinstance(tokens, TokenFile)
    assert write_tokens(path, tokens.renewed("AT-2", 1_800_000_000.7, "RT-2")) == ""
    assert json.loads(Path(path).read_text()) == FULL | {
        "access_token": "AT-2", "expiry": 1_800_000_000, "refresh_token": "RT-2",
    }  # fmt: skip
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640
    assert os.listdir(tmp_path) == ["t"]


def test_what_is_not_given_stays_or_goes(tmp_path: Path) -> None:
    renewed = read(tmp_path / "t", FULL).renewed("AT-2", None, None)
    assert renewed.expiry_seconds is None
    assert renewed.refresh_token is not None
    assert renewed.refresh_token.text == "RT-1"


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "t", FULL)
    tokens = read_tokens(path)
    assert isinstance(tokens, TokenFile)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert write_tokens(path, tokens.renewed("AT-2", None, None)) == "No space left on device"
    assert json.loads(Path(path).read_text()) == FULL
    assert os.listdir(tmp_path) == ["t"]


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON | st.dictionaries(st.sampled_from(sorted(FULL)), JSON))
def test_no_value_breaks_the_parser(found: Any) -> None:
    assert isinstance(parse_tokens(found), TokenFile | str)


@given(st.text())
def test_a_token_can_stand_in_a_line(text: str) -> None:
    if is_token(text):
        assert text.isascii()
        assert "\n" not in text
        assert "\x01" not in text
