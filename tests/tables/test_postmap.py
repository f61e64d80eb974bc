"""The same tables and keys, asked of Postfix's own postmap(1) where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mailrider.tables.opening import open_table

POSTMAP = shutil.which("postmap") or "/usr/sbin/postmap"

pytestmark = pytest.mark.skipif(not os.access(POSTMAP, os.X_OK), reason="postmap is not installed")

REGEXP = r"""/^(a+)$/ got $1 and ${1}x $(1) $$
/^(x|xy)(z|yzz)?/ longest $1,$2
!/[[:alpha:]]/i no small letter
if /@/
/^([^@]+)@(example\.(com|org))$/!/nobody/ $1 at $2
endif
/\<word\>/ a word
/[\.]{2,}\d/ dots
/a{1/ broken
/b*c)/ a parenthesis
/é+[^é]/ bytes
"""
CIDR = """192.0.2.0/24 net
!192.0.3.0/24 not that net
if ::/1
[2001:db8::]/32 doc
endif
::1/128 loop
192.0.3.1/24 wrong
"""
TEXTHASH = """Key value
 continued
"two words" quoted
key second
colon: value
alone
"""


def cool_down(path: Path) -> None:
    """Postfix waits for a file that has just been written; make it an old one."""
    os.utime(path, (1_000_000_000, 1_000_000_000))


def ask_postmap(folder: Path, title: str, keys: list[str]) -> dict[str, str | None]:
    (folder / "main.cf").write_text("compatibility_level = 3.7\n")
    cool_down(folder / "main.cf")
    query = "".join(key + "\n" for key in keys).encode()
    command = [POSTMAP, "-c", str(folder), "-q", "-", title]
    answer = subprocess.run(command, input=query, capture_output=True, check=False).stdout.decode()
    return {**dict.fromkeys(keys), **dict(line.split("\t", 1) for line in answer.splitlines())}


@pytest.mark.parametrize(
    ("kind", "text", "keys"),
    [
        (
            "regexp",
            REGEXP,
            [
                "aAa",
                "xyzz",
                "xyz",
                "ABC",
                "12",
                "joe@Example.com",
                "nobody@example.org",
                "a word here",
                "sword",
                "..d",
                "bbc)q",
                "ééa",
            ],
        ),
        ("cidr", CIDR, ["192.0.2.5", "192.0.3.5", "198.51.100.1", "2001:db8::1", "8000::1", "::1", "192.0.2", "name"]),
        ("texthash", TEXTHASH, ["KEY", "key", '"two words"', "two", "colon:", "alone"]),
    ],
)
def test_files(tmp_path: Path, kind: str, text: str, keys: list[str]) -> None:
    path = tmp_path / "table"
    path.write_text(text)
    cool_down(path)
    table = open_table(f"{kind}:{path}")
    assert {key: table.find(key) for key in keys} == ask_postmap(tmp_path, table.title, keys)


@pytest.mark.parametrize("title", ["inline:{a=b, { C = d e } f={g h}}", "static:{ x y }", "regexp:{{/a/ b}, {!/c/ d}}"])
def test_tables_in_braces(tmp_path: Path, title: str) -> None:
    table = open_table(title)
    keys = ["a", "A", "c", "f", "x"]
    assert {key: table.find(key) for key in keys} == ask_postmap(tmp_path, title, keys)
