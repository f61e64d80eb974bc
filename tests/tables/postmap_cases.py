"""Tables and keys that are asked of both programs: Postfix's postmap(1), and `mailrider table`.

`python -m tests.tables.postmap_cases` asks postmap and writes its answers down in `postmap_answers.json`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

POSTMAP: Final = shutil.which("postmap") or "/usr/sbin/postmap"

ANSWERS: Final = Path(__file__).with_name("postmap_answers.json")

REGEXP: Final = r"""
/^(a+)$/ got $1 and ${1}x $(1) $$
/^(x|xy)(z|yzz)?/ longest $1,$2
!/[[:alpha:]]/i no small letter
if /@/
/^([^@]+)@(example\.(com|org))$/!/nobody/ $1 at $2
if !/example/
/^postmaster@/ a postmaster
endif
if /^list-/
/^list-(.*)-(request|owner)@/ list $1, $2
/-bounces\+.*@/ bounces
endif
endif
/\<word\>/ a word
/[\.]{2,}\d/ dots
/a{1/ broken
/b*c)/ a parenthesis
/é+[^é]/ bytes
/^x{2,3}y$/ bounded
/^(ab|a)(bc|c)?(d*)/ $1-$2-$3
/^[]x-]+$/ brackets
/^[[:digit:]]{3}[[:space:]]/ digits
/^[a-c[.-.]]+$/ collating
/(^|[^b])=(.*)/m after $2
%^/slash/(.*)% other delimiter $1
#hash is a comment#
/^case$/i exact case
/tail$/ tail
/^$/ nothing
/a|b$|^c/ any of these
/(a)(b)?(c)?/ never
"""
REGEXP_KEYS: Final = [
    *("aAa", "xyzz", "xyz", "ABC", "12", "joe@Example.com", "nobody@example.org", "postmaster@other.net", "list-a-owner@x.net"),
    *(
        "list-a@x.net",
        "foo-bounces+x@y.net",
        "a word here",
        "sword",
        "..5",
        "..d",
        "bbc)q",
        "ééa",
        "xxy",
        "xxxxy",
        "abcd",
        "abc",
    ),
    *(
        "]-x",
        "123 z",
        "123z",
        "abc-",
        "x=y",
        "b=y",
        "/slash/more",
        "case",
        "CASE",
        "retail",
        "tails",
        "d e",
        "list-x-request@example.com",
    ),
    *(
        "JOE@EXAMPLE.ORG",
        "x@example.net",
        "q",
        "qc",
        "qb",
        "c",
        "aaaaaaaaaaaaaaaa",
        "$",
        "..",
        "é",
        "ÉÉA",
        "a\\b",
        "tail",
        "word",
        "e=f=g",
    ),
]
PCRE: Final = r"""
/^(\w+)\s+(?=end)/ ahead $1
/^(?<!x)start/ behind
/^(a)(b)?(c)?$/ 1=$1 2=$2 3=$3
/(\d{3})-(\d{4})/ phone ${1}.$(2)
/^multi.*line$/s dot matches all
/^anchored/A anchored
/begin.*?end/U ungreedy
/^  x  y # comment
  /x extended
/^exact$/i exact
if /@/
/^([^@]+)@(?:[^.]+\.)*example\.com$/ user $1
!/\.(com|net)$/ other top level
endif
if !/^!/
/^\Qa.b*c\E$/ literal
/^\x41\x{42}$/i hexadecimal
/^(?i:abc)DEF$/i mixed
/(.)\1/ twice $1
endif
/^\p{L}+$/ letters
/^!+$/ marks $$
/^[[:^alpha:]]+$/ not letters
/(?<name>z)q/ named $1
/^$/ nothing
/\Aabs\z/ absolute
"""
PCRE_KEYS: Final = [
    *("foo end", "foo bar", "start", "xstart", "a", "ab", "abc", "ac", "call 555-1234 now", "multi xx line", "anchored here"),
    *(
        "not anchored",
        "begin x end y end",
        "xy",
        "xyz",
        "exact",
        "EXACT",
        "joe@mail.example.com",
        "joe@example.com",
        "joe@example.org",
    ),
    *(
        "joe@x.net",
        "a.b*c",
        "axbbc",
        "AB",
        "ab",
        "abcDEF",
        "ABCDEF",
        "abcdef",
        "book",
        "!aa",
        "!",
        "!!!",
        "12345",
        "12245",
        "zq",
        "ZQ",
    ),
    *("abs", "abs ", "été", "Grüße", "123", "---", "q", "joe@a.b.example.com", "@example.com", "begin end", "X Y", "x y"),
]
CIDR: Final = """
192.0.2.0/24 net
192.0.2.128/25 shadowed
!192.0.3.0/24 not that net
if 10.0.0.0/8
10.1.0.0/16 ten one
if 10.2.0.0/16
10.2.3.4 one host
!10.2.0.0/17 upper half
endif
10.0.0.0/8 the rest of ten
endif
if ::/1
[2001:db8::]/32 doc
[2001:db9::/32] brackets
2001:dba::1 single
if !2001:dbb::/32
2001:0dbc:0000::0/48 zeros
endif
endif
::1/128 loop
::ffff:192.0.2.0/120 mapped
192.0.3.1/24 wrong
198.51.100.7 after all
300.1.1.1 no address
fe80::/10 link
0.0.0.0/0 never
"""
CIDR_KEYS: Final = [
    *("192.0.2.0", "192.0.2.255", "192.0.2.129", "192.0.3.5", "198.51.100.1", "10.1.2.3", "10.2.3.4", "10.2.3.5", "10.2.200.1"),
    *(
        "10.3.0.1",
        "2001:db8::1",
        "2001:DB8::1",
        "2001:db9::ffff",
        "2001:dba::1",
        "2001:dba::2",
        "2001:dbc::1",
        "2001:dbc:0:1::1",
    ),
    *("2001:dbb::1", "8000::1", "::1", "::", "::ffff:192.0.2.1", "fe80::1", "fec0::1", "192.0.2", "192.0.2.5 ", " 192.0.2.5"),
    *(
        "192.0.2.5.6",
        "192.000.002.005",
        "0300.0.2.5",
        "192.0.2.05",
        "name",
        "[2001:db8::1]",
        "2001:db8::1%lo",
        "1::2::3",
        ":::",
        "192.0.2.0/24",
    ),
]
TEXT: Final = """
Key value
 continued
# a comment
"two words" quoted
key second
colon: value
alone
back\\ slash escaped
"unbalanced value
tab\ttabbed\tvalue\t
trailing  value with   blanks
ÜMLAUT grün
user@Example.COM   local
@example.com  domain
.example.com  subdomain
a"b c"d  inner quotes
x=y equals
192.0.2.1 address
  # comment in between
 more
straße street
İ dotted
"""
TEXT_KEYS: Final = [
    *("KEY", "key", '"two words"', "two", "colon:", "colon", "alone", "back\\ slash", "tab", "trailing", "ümlaut", "ÜMLAUT"),
    *(
        "user@example.com",
        "USER@EXAMPLE.COM",
        "@example.com",
        ".example.com",
        'a"b c"d',
        "x=y",
        "192.0.2.1",
        "STRASSE",
        "straße",
    ),
    *("STRAẞE", "i̇", "İ", "# comment", "more", " ", "key ", " key", "example.com"),
]


class Case(NamedTuple):
    """A table: its title, in which {} stands for the path of a file with a text; and keys."""

    title: str
    text: str
    keys: list[str]


SIMPLE_KEYS: Final = ["a", "A", "b", "c", "d e", "f", "x", "one", "two", "", "root", "ROOT", "nobody", "joe@example.com"]

CASES: Final = {
    "regexp": Case("regexp:{}", REGEXP, REGEXP_KEYS),
    "pcre": Case("pcre:{}", PCRE, PCRE_KEYS),
    "cidr": Case("cidr:{}", CIDR, CIDR_KEYS),
    "texthash": Case("texthash:{}", TEXT, TEXT_KEYS),
    "hash": Case("hash:{}", TEXT, TEXT_KEYS),
    "btree": Case("btree:{}", TEXT, TEXT_KEYS),
    "lmdb": Case("lmdb:{}", TEXT, TEXT_KEYS),
    "cdb": Case("cdb:{}", TEXT, TEXT_KEYS),
    "inline": Case("inline:{{a=b, {{ C = d e }} f={{g h}}, {{d e = x}}}}", "", SIMPLE_KEYS),
    "inline pair": Case("inline:{{a=b, {{ C = d e }} {{f=g h}}}}", "", SIMPLE_KEYS),
    "static": Case("static:{{ x y }}", "", SIMPLE_KEYS),
    "static word": Case("static:word", "", SIMPLE_KEYS),
    "randmap": Case("randmap:{{only}}", "", SIMPLE_KEYS),
    "pipemap": Case("pipemap:{{inline:{{a=one,b=two,f=x}}, inline:{{one=end,x=y}}}}", "", SIMPLE_KEYS),
    "unionmap": Case("unionmap:{{inline:{{a=one,b=two}}, inline:{{a=end,c=y}}, static:s}}", "", SIMPLE_KEYS),
    "unix accounts": Case("unix:passwd.byname", "", ["root", "ROOT", "nobody", "nosuchaccount", ""]),
    "unix groups": Case("unix:group.byname", "", ["root", "nogroup", "nosuchgroup"]),
    "fail": Case("fail:text", "", ["a"]),
    "regexp in braces": Case("regexp:{{{{/a/ b}}, {{!/c/ d}}}}", "", SIMPLE_KEYS),
    "pcre in braces": Case("pcre:{{{{/^(.)$/ $1$1}}, {{/o(.*)/ $1}}}}", "", SIMPLE_KEYS),
    "cidr in braces": Case("cidr:{{{{192.0.2.0/24 a}}, {{::/0 b}}}}", "", ["192.0.2.1", "192.0.3.1", "::1", "a"]),
}
"""As for `str.format`: braces that are meant stand twice."""

BUILT: Final = ("hash", "btree", "lmdb", "cdb")
MACHINE_DEPENDENT: Final = ("unix accounts", "unix groups")
"""Compared live only."""

Answer = tuple[int, str]
"""Exit code and output."""


def write(folder: Path, case: Case) -> str:
    """Write the file of a case; the title."""
    path = folder / "table"
    path.write_text(case.text)
    cool_down(path)
    return case.title.format(path)


def cool_down(path: Path) -> None:
    """Postfix waits for a file that has just been written; make it an old one."""
    os.utime(path, (1_000_000_000, 1_000_000_000))


def ask(command: list[str], title: str, keys: list[str]) -> dict[str, Answer]:
    """Ask for each key by itself, and for all of them on standard input, as the key `-`."""
    answers = {}
    for key in keys:
        done = subprocess.run([*command, "-q", key, title], capture_output=True, check=False)
        answers[key] = done.returncode, done.stdout.decode("utf-8", "surrogateescape")
    return answers | ask_for_all(command, title, keys)


def ask_for_all(command: list[str], title: str, keys: list[str]) -> dict[str, Answer]:
    """Ask for all keys on standard input, as the key `-`."""
    done = subprocess.run([*command, "-q", "-", title], input=join(keys), capture_output=True, check=False)
    return {"-": (done.returncode, done.stdout.decode("utf-8", "surrogateescape"))}


def join(keys: list[str]) -> bytes:
    """Keys as lines."""
    return "".join([key + "\n" for key in keys]).encode()


def ask_postmap(folder: Path, name: str, *, all_at_once: bool = False) -> dict[str, Answer]:
    """What postmap says to a case; the indexed file is built by it.

    `all_at_once` asks on standard input only: each process takes its time, and one that fails a second more.
    """
    case = CASES[name]
    (folder / "main.cf").write_text("compatibility_level = 3.7\n")
    cool_down(folder / "main.cf")
    title = write(folder, case)
    command = [POSTMAP, "-c", str(folder)]
    if name in BUILT:
        subprocess.run([*command, title], capture_output=True, check=True)
    return ask_for_all(command, title, case.keys) if all_at_once else ask(command, title, case.keys)


def record() -> None:
    """Write down what postmap says."""
    recorded = {}
    for name in CASES:
        if name not in MACHINE_DEPENDENT:
            with tempfile.TemporaryDirectory() as folder:
                recorded[name] = ask_postmap(Path(folder), name)
    ANSWERS.write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    record()
