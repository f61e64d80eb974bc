from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from mailrider.cli.main import main
from mailrider.cli.table import table

PAIRS = "Key value\ntwo second thing\nkey again\n"


def run(*arguments: str, given: bytes = b"") -> tuple[int, str, str]:
    """Exit code, output, errors."""
    done = CliRunner().invoke(table, [*arguments], input=given)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def usage(*arguments: str) -> int | str | None:
    """The exit code of the whole command."""
    with pytest.raises(SystemExit) as end:
        main(["table", *arguments])
    return end.value.code


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs"
    path.write_text(PAIRS)
    return path


def test_a_key_is_looked_up(pairs: Path) -> None:
    code, said, errors = run("-q", "KEY", f"texthash:{pairs}")
    assert (code, said) == (0, "value\n")
    assert errors == f'warning: texthash:{pairs}, line 3: ignored duplicate entry "key"\n'


def test_a_miss_is_silent(pairs: Path) -> None:
    assert run("-q", "none", "static:x", given=b"")[0] == 0
    code, said, _ = run("-q", "none", f"texthash:{pairs}")
    assert (code, said) == (1, "")


def test_the_first_table_that_has_a_key_answers() -> None:
    assert run("-q", "b", "inline:{a=1}", "inline:{b=2}", "static:3") == (0, "2\n", "")


def test_a_table_behind_the_one_that_answers_is_not_opened() -> None:
    assert run("-q", "a", "inline:{a=1}", "texthash:/no/such/file") == (0, "1\n", "")


def test_lines_of_standard_input_are_keys() -> None:
    keys = b"a\n\nA\0rest\nnone\n\xff\nb"
    assert run("-q", "-", "inline:{a=1}", "inline:{b=2}", given=keys) == (0, "a\t1\nA\t1\nb\t2\n", "")
    assert run("-q", "-", "inline:{a=1}", given=b"x\ny\n") == (1, "", "")
    assert run("-q", "-", "inline:{a=1}", given=b"") == (1, "", "")


def test_a_key_without_end_is_refused() -> None:
    code, _, errors = run("-q", "-", "static:x", given=b"x" * (1024 * 1024 + 2))
    assert code == 1
    assert "longer than" in errors


def test_trouble_is_exit_code_1_and_a_line() -> None:
    assert run("-q", "a", "fail:x") == (1, "", "mailrider: fail:x: this table always fails\n")
    code, said, errors = run("-q", "a", "nosuch:x")
    assert (code, said) == (1, "")
    assert errors.startswith('mailrider: "nosuch:x": unsupported lookup table type')


def test_json(pairs: Path) -> None:
    assert run("--json", "-q", 'a"b', "static:x\ty") == (0, json.dumps({'a"b': "x\ty"}) + "\n", "")
    code, said, _ = run("--json", "-s", f"texthash:{pairs}")
    assert [json.loads(line) for line in said.splitlines()] == [{"key": "value"}, {"two": "second thing"}]
    assert code == 0


def test_a_table_is_listed(pairs: Path) -> None:
    assert run("-s", f"texthash:{pairs}")[:2] == (0, "key\tvalue\ntwo\tsecond thing\n")
    assert run("-s", "static:x") == (1, "", "mailrider: static:x: a table of this type cannot be listed\n")


def test_case_counts_with_f(pairs: Path) -> None:
    assert run("-f", "-q", "Key", f"texthash:{pairs}")[:2] == (0, "value\n")
    assert run("-f", "-q", "key", f"texthash:{pairs}")[:2] == (0, "again\n")
    assert run("-f", "-q", "KEY", f"texthash:{pairs}")[:2] == (1, "")


@pytest.mark.parametrize("kind", ["cdb", "lmdb", "hash", "btree"])
def test_tables_are_built(kind: str, pairs: Path) -> None:
    if kind in ("hash", "btree"):
        pytest.importorskip("berkeleydb", reason="the package berkeleydb is not installed")
    title = f"{kind}:{pairs}"
    assert run(title) == (0, "", f'warning: {pairs}, line 3: ignored duplicate entry "key"\n')
    assert run("-q", "key", title) == (0, "value\n", "")
    assert run("-w", title) == (0, "", "")
    assert run("-q", "key", title) == (0, "value\n", "")
    assert run("-r", title) == (0, "", "")
    assert run("-q", "key", title) == (0, "again\n", "")
    assert run("-f", title) == (0, "", "")
    assert sorted(run("-s", title)[1].splitlines()) == ["Key\tvalue", "key\tagain", "two\tsecond thing"]
    for option in ("-n", "-N"):
        assert run(option, "-w", title)[0] == 0
        assert run("-q", "two", title) == (0, "second thing\n", "")
    assert [path.name for path in pairs.parent.iterdir() if path.name.startswith(".")] == []


def test_values_that_name_files(pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"first\0\n")
    (tmp_path / "b").write_text("second")
    pairs.write_text(f"one {tmp_path}/a, {tmp_path}/b\nbad {tmp_path}/none\n")
    code, _, errors = run("-F", f"cdb:{pairs}")
    assert code == 0
    assert errors == f"warning: {pairs}, line 2: ignored: open {tmp_path}/none: No such file or directory\n"
    for kind in ("cdb", "texthash"):
        assert run("-F", "-q", "one", f"{kind}:{pairs}") == (0, "first\0\n\nsecond\n", "")
    assert run("-q", "one", f"cdb:{pairs}") == (0, "Zmlyc3QACgpzZWNvbmQ=\n", "")
    pairs.write_text("one no base 64\n")
    assert run(f"cdb:{pairs}")[0] == 0
    assert "malformed BASE64" in run("-F", "-q", "one", f"cdb:{pairs}")[2]


def test_what_is_not_built_is_refused(pairs: Path, tmp_path: Path) -> None:
    assert "cannot be built; only btree, cdb, hash, lmdb are built" in run(f"texthash:{pairs}")[2]
    assert run(f"cdb:{tmp_path}/none")[::2] == (1, f"mailrider: open {tmp_path}/none: No such file or directory\n")
    assert run(f"cdb:{tmp_path}/none/none")[0] == 1


def test_who_may_not_read_the_text_may_not_read_the_table(pairs: Path) -> None:
    for mode in (0o600, 0o640, 0o664, 0o444):
        pairs.chmod(mode)
        assert run("-w", f"cdb:{pairs}")[0] == 0
        assert Path(f"{pairs}.cdb").stat().st_mode & 0o777 == 0o644 & (mode | 0o600)


@pytest.mark.parameter("default_database_type")
def test_the_usual_type_and_definitions_in_main_cf(tmp_path: Path, pairs: Path) -> None:
    base = sqlite3.connect(tmp_path / "base")
    base.executescript("create table t (k, v); insert into t values ('a', 'b');")
    base.close()
    (tmp_path / "main.cf").write_text(
        f"default_database_type = texthash\nbase = {tmp_path}\n"
        "mine_dbpath = $base/base\nmine_query = select v from t where k='%s'\n"
    )
    assert run("-c", str(tmp_path), "-q", "two", str(pairs))[:2] == (0, "second thing\n")
    assert run("-c", str(tmp_path), "-q", "a", "sqlite:mine") == (0, "b\n", "")
    assert run("-c", str(tmp_path), "-q", "a", "sqlite:other")[0] == 1


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert usage("-q", "a", "-s", "static:x") == 64
    assert usage("--json", "static:x") == 64
    assert usage("-q", "a") == 64
    assert usage("-Z") == 64
    assert "mailrider table -h" in capsys.readouterr().err


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    assert usage("-h") == 0
    assert "mailrider table -q user@example.com texthash:" in capsys.readouterr().out


def test_warnings_are_fit_for_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "pairs"
    path.write_text("a\n\x1b[31m b c\n")
    assert "\x1b" not in run("-q", "b", f"texthash:{path}")[2]
