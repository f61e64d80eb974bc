"""What every type of table promises, asked of one of each with the same pairs in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.tables.components import PAIRS, SQL_TABLES, LineServer, answer_socketmap, answer_tcp

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.building import Manner, build_table
from mailrider.tables.opening import TABLE_TYPES, open_table
from mailrider.tables.source import Surroundings
from mailrider.tables.table import ListedTable, Table, close_table, takes_partial_keys

PATIENT_SECONDS = 60.0
"""More than any answer takes on a busy machine."""

Make = Callable[[Path, pytest.FixtureRequest], str]


def a_text(folder: Path) -> Path:
    path = folder / "pairs"
    path.write_text("".join([f"{key}\t{value}\n" for key, value in PAIRS.items()]))
    return path


def a_definition(folder: Path, text: str) -> Path:
    path = folder / "definition.cf"
    path.write_text(text)
    return path


def indexed(kind: str) -> Make:
    def make(folder: Path, request: pytest.FixtureRequest) -> str:
        if kind in ("hash", "btree"):
            pytest.importorskip("berkeleydb", reason="the package berkeleydb is not installed")
        path = a_text(folder)
        build_table(kind, str(path), Manner(), pytest.fail)
        path.unlink()
        return f"{kind}:{path}"

    return make


def beside(folder: Path, request: pytest.FixtureRequest) -> str:
    return f"hash:{a_text(folder)}"


def patterns(kind: str) -> Make:
    def make(folder: Path, request: pytest.FixtureRequest) -> str:
        path = folder / "patterns"
        path.write_text("".join([f"/^{key}$/ {value}\n" for key, value in PAIRS.items()]))
        return f"{kind}:{path}"

    return make


def line_server(kind: str) -> Make:
    def make(folder: Path, request: pytest.FixtureRequest) -> str:
        server = LineServer(answer_tcp if kind == "tcp" else answer_socketmap)
        request.addfinalizer(server.close)
        return f"tcp:127.0.0.1:{server.port}" if kind == "tcp" else f"socketmap:inet:127.0.0.1:{server.port}:pairs"

    return make


def sqlite(folder: Path, request: pytest.FixtureRequest) -> str:
    base = sqlite3.connect(folder / "base")
    base.executescript(SQL_TABLES)
    base.close()
    return f"sqlite:{a_definition(folder, f'dbpath = {folder}/base' + chr(10) + QUERY)}"


QUERY = "query = select v from pairs where k = '%s'\n"


PGSQL = "hosts = 127.0.0.1:{port}\nuser = mail\ndbname = mail\n"
MYSQL = "hosts = 127.0.0.1:{port}\nuser = mail\npassword = secret'word\ndbname = mail\n"
LDAP = """server_host = 127.0.0.1:{port}
version = 3
bind = no
search_base = dc=example
query_filter = (uid=%s)
result_attribute = mail
"""


def pgsql(folder: Path, request: pytest.FixtureRequest) -> str:
    port, _ = request.getfixturevalue("postgresql")
    return f"pgsql:{a_definition(folder, PGSQL.format(port=port) + QUERY)}"


def mysql(folder: Path, request: pytest.FixtureRequest) -> str:
    port, _ = request.getfixturevalue("mariadb")
    return f"mysql:{a_definition(folder, MYSQL.format(port=port) + QUERY)}"


def memcache(folder: Path, request: pytest.FixtureRequest) -> str:
    port = request.getfixturevalue("memcached")
    return f"memcache:{a_definition(folder, f'memcache = inet:127.0.0.1:{port}')}"


def ldap(folder: Path, request: pytest.FixtureRequest) -> str:
    return f"ldap:{a_definition(folder, LDAP.format(port=request.getfixturevalue('slapd')))}"


class Kind(NamedTuple):
    """How to make a table with `PAIRS`, and what is particular to its type."""

    make: Make
    folds: bool = True
    is_pattern: bool = False
    is_listed: bool = False


INLINE = ", ".join([f"{{ {key} = {value} }}" for key, value in PAIRS.items()])

KINDS = {
    "inline": Kind(lambda folder, request: f"inline:{{{INLINE}}}", is_listed=True),
    "texthash": Kind(lambda folder, request: f"texthash:{a_text(folder)}", is_listed=True),
    "hash": Kind(indexed("hash"), is_listed=True),
    "btree": Kind(indexed("btree"), is_listed=True),
    "hash beside": Kind(beside, is_listed=True),
    "lmdb": Kind(indexed("lmdb"), is_listed=True),
    "cdb": Kind(indexed("cdb"), is_listed=True),
    "regexp": Kind(patterns("regexp"), is_pattern=True),
    "pcre": Kind(patterns("pcre"), is_pattern=True),
    "tcp": Kind(line_server("tcp"), folds=False, is_pattern=True),
    "socketmap": Kind(line_server("socketmap"), folds=False, is_pattern=True),
    "sqlite": Kind(sqlite),
    "pgsql": Kind(pgsql),
    "mysql": Kind(mysql),
    "memcache": Kind(memcache),
    "ldap": Kind(ldap),
    "pipemap": Kind(lambda folder, request: f"pipemap:{{texthash:{a_text(folder)}, regexp:{{ {{/(.*)/ $1}} }} }}"),
    "unionmap": Kind(lambda folder, request: f"unionmap:{{texthash:{a_text(folder)}, inline:{{other=x}}}}"),
    "proxy": Kind(lambda folder, request: f"proxy:texthash:{a_text(folder)}", is_listed=True),
}

WITHOUT_PAIRS = {"cidr", "environ", "fail", "randmap", "static", "unix"}
"""Types that cannot have these pairs: their own tests are elsewhere."""


def test_no_type_is_left_out() -> None:
    assert {name.partition(" ")[0] for name in KINDS} | WITHOUT_PAIRS == set(TABLE_TYPES)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def table(kind: Kind, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Table]:
    title = kind.make(tmp_path, request)
    warnings: list[str] = []
    table = open_table(title, surroundings=Surroundings(warnings.append, time_limit_seconds=PATIENT_SECONDS))
    yield table
    close_table(table)
    assert not [warning for warning in warnings if "the text" not in warning]


def test_values_are_found(table: Table) -> None:
    assert {key: table.find(key) for key in PAIRS} == PAIRS


def test_what_is_not_there_is_a_miss(table: Table) -> None:
    assert [table.find(key) for key in ("ke", "keyy", "value", "example.com", "k%y", "_ey", "*", "nobody@example.com")] == [
        None
    ] * 8


def test_case_does_not_count(table: Table, kind: Kind) -> None:
    assert table.find("KeY") == ("value" if kind.folds else None)


ODD_KEYS = [
    *(
        "",
        " ",
        "a\0b",
        "key\0",
        "\n",
        "key\r\nset x",
        "a b",
        "'",
        "''",
        "' or '1'='1",
        '"',
        "\\",
        "\\'",
        "%",
        "%s",
        "%%",
        "$1",
        "*",
        "(",
        ")",
    ),
    *(
        "(uid=*)",
        "key)(uid=*",
        "a,b",
        ";",
        "--",
        "/*",
        "{",
        "ß",
        "ﬀ",
        "\ud800",
        "\udcff",
        "@",
        "@@",
        "a@",
        "@a",
        "a@b@c",
        "..",
        "x" * 300,
    ),
    *("x" * 5000, "é" * 3000, "x" * 200_000),
]


def test_an_odd_key_is_a_miss_and_does_no_harm(table: Table) -> None:
    for key in ODD_KEYS:
        assert table.find(key) is None, key[:50]
        assert table.find("two") == "second thing", key[:50]


def test_a_key_without_end_is_no_crash(table: Table) -> None:
    key = "k" * (1024 * 1024 + 1)
    try:
        assert table.find(key) is None
    except TableTrouble as trouble:
        assert "kkkkkkkk" not in str(trouble)  # noqa: PT017 (a miss is right too)
    assert table.find("two") == "second thing"


def test_it_tells_whether_it_takes_parts_of_keys(table: Table, kind: Kind) -> None:
    assert takes_partial_keys(table) is not kind.is_pattern


def test_it_can_be_listed_or_cannot(table: Table, kind: Kind) -> None:
    assert isinstance(table, ListedTable) is kind.is_listed
    if isinstance(table, ListedTable):
        assert dict(table.entries()) == PAIRS


def test_case_counts_where_keys_are_not_folded(kind: Kind, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    # As for `mailrider table -f`.  Databases and patterns have their own idea of case.
    title = kind.make(tmp_path, request)
    table = open_table(title, surroundings=Surroundings(time_limit_seconds=PATIENT_SECONDS, folds=False))
    request.addfinalizer(lambda: close_table(table))
    assert table.find("key") == "value"
    ignores_case = kind.is_pattern and kind.folds
    if title.startswith(("mysql:", "ldap:")) or ignores_case:
        return
    assert table.find("KEY") is None


@pytest.mark.parametrize(
    "kind_name", [name for name in TABLE_TYPES if name not in ("static", "fail", "environ", "proxy", "tcp")]
)
def test_a_name_without_sense_is_refused(kind_name: str) -> None:
    with pytest.raises(WrongConfiguration) as trouble:
        open_table(f"{kind_name}:/no/such/place")
    assert str(trouble.value).startswith(f"{kind_name}:/no/such/place")
