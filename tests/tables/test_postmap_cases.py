"""The same keys, asked of `mailrider table` and of postmap(1): as written down, and live where Postfix is installed."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Callable, Set
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.tables import postmap_cases
from tests.tables.components import SQL_TABLES, LineServer, answer_socketmap, answer_tcp
from tests.tables.postmap_cases import BUILT, CASES, MACHINE_DEPENDENT, POSTMAP, Answer, ask, ask_for_all, ask_postmap
from tests.tables.test_contract import LDAP, MYSQL, PGSQL, QUERY, a_definition

from mailrider.cli.table import table

RECORDED = json.loads(postmap_cases.ANSWERS.read_text("utf-8"))

LEAST_KEYS = 300

live = pytest.mark.skipif(not os.access(POSTMAP, os.X_OK), reason="postmap is not installed (Debian package postfix)")


def ask_mailrider(title: str, keys: list[str]) -> dict[str, Answer]:
    """As `postmap_cases.ask`, in this process."""
    answers = {}
    for key in keys:
        done = CliRunner().invoke(table, ["-q", key, title])
        answers[key] = done.exit_code, done.stdout_bytes.decode("utf-8", "surrogateescape")
    return answers | ask_mailrider_for_all(title, keys)


def ask_mailrider_for_all(title: str, keys: list[str]) -> dict[str, Answer]:
    """As `postmap_cases.ask_for_all`, in this process."""
    done = CliRunner().invoke(table, ["-q", "-", title], input=postmap_cases.join(keys))
    return {"-": (done.exit_code, done.stdout_bytes.decode("utf-8", "surrogateescape"))}


def need_library(name: str) -> None:
    if name in ("hash", "btree"):
        pytest.importorskip("berkeleydb", reason="the package berkeleydb is not installed")


def test_there_are_enough_keys() -> None:
    assert set(RECORDED) == set(CASES) - set(MACHINE_DEPENDENT)
    assert sum(len(case.keys) for name, case in CASES.items() if name in RECORDED) >= LEAST_KEYS


@pytest.mark.parametrize("name", RECORDED)
def test_as_written_down(name: str, tmp_path: Path) -> None:
    need_library(name)
    title = postmap_cases.write(tmp_path, CASES[name])
    if name in BUILT:
        done = CliRunner().invoke(table, [title])
        assert (done.exit_code, done.stdout) == (0, "")
    answers = ask_mailrider(title, CASES[name].keys)
    assert answers == {key: tuple(answer) for key, answer in RECORDED[name].items()}


@live
@pytest.mark.parametrize("name", CASES)
def test_live(name: str, tmp_path: Path) -> None:
    """One reads here what the other has built, too."""
    need_library(name)
    theirs = ask_postmap(tmp_path, name, all_at_once=True)
    assert ask_mailrider_for_all(CASES[name].title.format(tmp_path / "table"), CASES[name].keys) == theirs


@live
@pytest.mark.parametrize("name", BUILT)
def test_postmap_reads_what_we_have_built(name: str, tmp_path: Path) -> None:
    need_library(name)
    title = postmap_cases.write(tmp_path, CASES[name])
    assert CliRunner().invoke(table, [title]).exit_code == 0
    theirs = ask_for_all([POSTMAP, "-c", str(make_configuration(tmp_path))], title, CASES[name].keys)
    assert theirs["-"] == tuple(RECORDED[name]["-"])


def make_configuration(folder: Path) -> Path:
    (folder / "main.cf").write_text("compatibility_level = 3.7\n")
    return folder


SERVED_KEYS = [
    *(
        "key",
        "KEY",
        "two",
        "user@example.com",
        "USER@example.com",
        "quo'te",
        "nothing",
        "many",
        "empty",
        "joe",
        "joe@example.com",
    ),
    *(
        "'",
        "''",
        "\\",
        "\\'",
        "%",
        "%s",
        "*",
        "(",
        ")",
        "(uid=*)",
        "a@b@c",
        "@",
        "@example.com",
        "key@",
        "a\\",
        "joe@inner.example",
    ),
    *(
        "none",
        "terminal",
        "pointer",
        "circle",
        "url",
        "wide",
        "star*",
        "star**",
        "percent",
        "soft",
        "bad",
        "odd",
        "hard",
        "long",
        "longer",
    ),
]
NO_ANSWERS = {"soft", "bad", "odd", "hard", "longer", "circle", "many"}
"""What is trouble in one table or another: one of them is tried with each, since each takes a second."""

FORMATS = {
    "plain": "",
    "with a format": "result_format = <%s>%%\n",
    "with parts": "result_format = %u at %d for %S\n",
    "with a domain": "domain = example.com, other.example\n",
    "with a limit": "expansion_limit = 1\n",
}


def serve_sqlite(folder: Path, request: pytest.FixtureRequest, text: str) -> str:
    base = sqlite3.connect(folder / "base")
    base.executescript(SQL_TABLES)
    base.close()
    return f"sqlite:{a_definition(folder, f'dbpath = {folder}/base' + chr(10) + QUERY + text)}"


def serve_pgsql(folder: Path, request: pytest.FixtureRequest, text: str) -> str:
    port, _ = request.getfixturevalue("postgresql")
    return f"pgsql:{a_definition(folder, PGSQL.format(port=port) + QUERY.replace('select v', 'select v, extra') + text)}"


def serve_mysql(folder: Path, request: pytest.FixtureRequest, text: str) -> str:
    port, _ = request.getfixturevalue("mariadb")
    fields = "select_field = v\ntable = pairs\nwhere_field = k\nadditional_conditions = and 1 = 1\n"
    return f"mysql:{a_definition(folder, MYSQL.format(port=port) + fields + text)}"


def serve_ldap(folder: Path, request: pytest.FixtureRequest, text: str) -> str:
    port = request.getfixturevalue("slapd")
    special = "special_result_attribute = seeAlso, labeledURI\nleaf_result_attribute = title\n"
    terminal = "terminal_result_attribute = description\nrecursion_limit = 4\n"
    return f"ldap:{a_definition(folder, LDAP.format(port=port) + special + terminal + text)}"


def serve_memcache(folder: Path, request: pytest.FixtureRequest, text: str) -> str:
    return (
        f"memcache:{a_definition(folder, f'memcache = inet:127.0.0.1:{request.getfixturevalue(MEMCACHED)}' + chr(10) + text)}"
    )


MEMCACHED = "memcached"


def serve_socketmap(folder: Path, request: pytest.FixtureRequest, text: str) -> str:
    server = LineServer(answer_socketmap)
    request.addfinalizer(server.close)
    return f"socketmap:inet:127.0.0.1:{server.port}:pairs"


Serve = Callable[[Path, pytest.FixtureRequest, str], str]
SERVED: list[tuple[str, Serve]] = [
    *[(text, serve) for serve in (serve_sqlite, serve_pgsql, serve_mysql, serve_ldap) for text in FORMATS.values()],
    *[(text, serve_memcache) for text in ("", "domain = example.com\n", "key_format = %u\n")],
    ("", serve_socketmap),
]


@live
@pytest.mark.parametrize(("text", "serve"), SERVED)
def test_what_servers_answer(text: str, serve: Serve, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    title = serve(tmp_path, request, text)
    kind = title.partition(":")[0]
    kinds = subprocess.run([POSTMAP.replace("postmap", "postconf"), "-m"], capture_output=True, text=True, check=True)
    if kind not in kinds.stdout.split():
        pytest.skip(f"postmap has no {kind} tables here (Debian package postfix-{kind})")
    compare(
        title,
        make_configuration(tmp_path),
        {"many"} if "expansion_limit" in text else {"circle"} if kind == "ldap" else {"soft"} if kind == "socketmap" else set(),
    )


@live
def test_what_a_tcp_server_answers(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    # Without those that make postmap try ten times, a second apart.
    server = LineServer(answer_tcp)
    request.addfinalizer(server.close)
    compare(f"tcp:127.0.0.1:{server.port}", make_configuration(tmp_path), {"soft"})


def compare(title: str, configuration: Path, failing: Set[str]) -> None:
    """Ask both programs: at once for what has an answer or none, by itself for what is trouble, which ends postmap."""
    command = [POSTMAP, "-c", str(configuration)]
    several = {"url", "pointer"} if "many" in failing else set()
    keys = [key for key in SERVED_KEYS if key not in failing | NO_ANSWERS | several]
    assert ask_mailrider_for_all(title, keys) == ask_for_all(command, title, keys)
    for key in failing & set(SERVED_KEYS):
        assert ask_mailrider(title, [key])[key] == ask(command, title, [key])[key] == (1, "")
