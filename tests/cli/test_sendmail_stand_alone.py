"""SMTP on standard input and output."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.cli.sendmail_stand_alone import LineEndings

from .kept import list_kept

DIALOGUE = """EHLO client.example
MAIL FROM:<a@b.example> RET=HDRS ENVID=abc
RCPT TO:<c@d.example>
RCPT TO:<e@f.example> NOTIFY=NEVER
DATA
Subject: x

hello
..dot
.
QUIT
"""


def talk(folder: Path, dialogue: str, line_end: str = "\r\n") -> subprocess.CompletedProcess[bytes]:
    (folder / "main.cf").write_text(f"queue_directory = {folder}/queue\nmyhostname = host.example\n")
    command = [sys.executable, "-m", "mailrider", "sendmail", "-C", str(folder), "-bs"]
    said = dialogue.replace("\n", line_end).encode()
    return subprocess.run(command, input=said, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize("line_end", ["\r\n", "\n"], ids=["CRLF", "LF"])
def test_a_conversation(tmp_path: Path, line_end: str) -> None:
    done = talk(tmp_path, DIALOGUE, line_end)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.split(b"\r\n")
    assert lines[0].startswith(b"220 host.example ESMTP")
    assert [line[:4] for line in lines if line[3:4] == b" "] == [
        b"220 ", b"250 ", b"250 ", b"250 ", b"250 ", b"354 ", b"250 ", b"221 ",
    ]  # fmt: skip
    ((message, text),) = list_kept(tmp_path / "queue")
    assert message.queue_id.encode() in done.stdout
    assert (message.envelope.sender, message.envelope.ret, message.envelope.envid) == ("a@b.example", "hdrs", "abc")
    assert [one.address for one in message.envelope.recipients] == ["c@d.example", "e@f.example"]
    assert text.endswith(b"\r\n\r\nhello\r\n.dot\r\n")


def test_input_that_ends_in_the_middle(tmp_path: Path) -> None:
    done = talk(tmp_path, DIALOGUE[: DIALOGUE.index("hello")])
    assert done.returncode == 0
    assert b"354 " in done.stdout
    assert list_kept(tmp_path / "queue") == []


@given(st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"bc"])), st.booleans(), st.data())
def test_line_ends_are_completed_wherever_the_pieces_end(words: list[bytes], bare: bool, data: st.DataObject) -> None:
    text = (b"EHLO me\n" if bare else b"EHLO me\r\n") + b"".join(words)
    endings, pieces, start = LineEndings(), [], 0
    while start < len(text):
        size = data.draw(st.integers(1, 5))
        pieces.append(endings.complete(text[start : start + size]))
        start += size
    assert b"".join(pieces) == (re.sub(rb"\r?\n", b"\r\n", text) if bare else text)
