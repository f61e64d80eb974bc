from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.errors import MailriderError, WrongConfiguration
from mailrider.tables.opening import TABLE_TYPES, open_table


def test_a_table_is_known_by_its_title() -> None:
    for title in ("static:x y", "inline:{a=b}", "cidr:{{192.0.2.1 x}}", "regexp:{{/a/ b}}", "pcre:{{/a/ b}}"):
        assert open_table(title).title == title


def test_all_types_are_named() -> None:
    assert set(TABLE_TYPES) == {
        *("btree", "cdb", "cidr", "environ", "fail", "hash", "inline", "ldap", "lmdb", "memcache", "mysql", "pcre", "pgsql"),
        *("pipemap", "proxy", "randmap", "regexp", "socketmap", "sqlite", "static", "tcp", "texthash", "unionmap", "unix"),
    }
    assert list(TABLE_TYPES) == sorted(TABLE_TYPES)


@pytest.mark.parametrize("title", ["static:x", "texthash:/dev/null", "regexp:{{/a/ b}}"])
def test_a_proxy_is_looked_through(title: str) -> None:
    assert open_table("proxy:proxy:" + title).title == title


def test_a_library_is_loaded_when_the_first_table_needs_it() -> None:
    program = "import sys; from mailrider.tables import opening, maps; opening.open_table('static:x')\n"
    program += "print([n for n in ('psycopg', 'pymysql', 'ldap3', 'lmdb', 'berkeleydb', 'sqlite3', 're2') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


LIBRARIES = {"pgsql": "psycopg", "mysql": "pymysql", "ldap": "ldap3", "lmdb": "lmdb"}


@pytest.mark.parametrize("kind", LIBRARIES)
def test_a_library_that_is_missing_is_asked_for_by_its_name(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "table.lmdb").touch()
    monkeypatch.setitem(sys.modules, LIBRARIES[kind], None)
    with pytest.raises(WrongConfiguration, match=rf"(?i){kind} tables need the package {LIBRARIES[kind]}.*pip install"):
        open_table(f"{kind}:{tmp_path / 'table'}")


@pytest.mark.parametrize(
    ("title", "complaint"),
    [
        ("", "type:name"),
        ("regexp", "type:name"),
        (":x", "type:name"),
        ("static:", "type:name"),
        ("dbm:/etc/aliases", 'unsupported lookup table type "dbm"; give the text file itself as texthash:'),
        ("mongodb:/x", "fill a file from it"),
        ("sqlite3:/x", "there are btree, cdb, cidr,"),
        ("proxy:", "type:name"),
        ("proxy:texthash", "type:name"),
        ("proxy:nosuch:x", "unsupported"),
        ("texthash:/no/such/file", "cannot read /no/such/file: No such file"),
        ("cidr:{a}", "does not begin with a {"),
        ("regexp:{{/a/ b}", "missing }"),
    ],
)
def test_what_cannot_be_opened_is_refused_clearly(title: str, complaint: str) -> None:
    with pytest.raises(WrongConfiguration) as trouble:
        open_table(title)
    assert complaint in str(trouble.value)


LOCAL_TYPES = [kind for kind in TABLE_TYPES if kind not in ("memcache", "socketmap", "tcp")]


@settings(deadline=None)
@given(
    st.text(st.characters(), max_size=30)
    | st.builds(
        "{}:{{{}}}".format, st.sampled_from(LOCAL_TYPES), st.text(st.characters() | st.sampled_from("{}/= $1"), max_size=30)
    )
)
def test_any_title_is_a_table_or_wrong(title: str) -> None:
    try:
        table = open_table(title)
        assert table.title
        table.find("some key")
    except MailriderError:
        pass
