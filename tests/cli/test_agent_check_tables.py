"""What the agent's check says of tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailrider.cli import agent_check, agent_check_tables
from mailrider.cli.agent_check import check, read_postfix_settings
from mailrider.cli.agent_check_tables import read_served

MASTER_CF = "smtp unix - - n - 1 ../bin/mailrider agent\nproxymap unix - - n - - proxymap\nscache unix - - n - 1 scache\n"


@pytest.fixture(autouse=True)
def no_postconf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_check, "find_out_release", lambda settings, directory: (3, 7))
    monkeypatch.setattr(agent_check_tables, "read_served", lambda settings, directory: frozenset({"hash:/served"}))


def remarks(folder: Path, main_cf: str, master_cf: str = MASTER_CF) -> list[str]:
    (folder / "main.cf").write_text(f"queue_directory = {folder}\n{main_cf}")
    (folder / "master.cf").write_text(master_cf)
    return [str(remark) for remark in check(read_postfix_settings(folder, ()), folder)]


def test_tables_that_open_and_those_of_other_programs_are_not_mentioned(tmp_path: Path) -> None:
    main_cf = "smtp_generic_maps = inline:{a=b}, proxy:hash:/served\nvirtual_alias_maps = proxy:hash:/none\n"
    assert remarks(tmp_path, main_cf) == []


@pytest.mark.parametrize(("fatal", "weight"), [("no", "differs"), ("yes", "error")])
def test_a_table_that_cannot_be_opened(tmp_path: Path, fatal: str, weight: str) -> None:
    main_cf = f"daemon_table_open_error_is_fatal = {fatal}\nlmtp_generic_maps = inline:{{a=b}}, texthash:/no/such\n"
    (remark,) = remarks(tmp_path, main_cf)
    place = f"{tmp_path}/main.cf, line 3: "
    assert remark.startswith(f"{weight + ':':9}{place}lmtp_generic_maps: texthash:/no/such: cannot read")
    assert remark.endswith("deferred, as by smtp(8)") is (fatal == "no")


def test_a_table_that_proxymap_does_not_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main_cf = "smtp_tls_policy_maps = proxy:proxy:ldap:/x, proxy:hash:/served\n"
    (remark,) = remarks(tmp_path, main_cf)
    assert "smtp_tls_policy_maps: proxymap(8) does not serve ldap:/x" in remark
    assert "list proxy:ldap:/x in proxy_read_maps" in remark
    monkeypatch.setattr(agent_check_tables, "read_served", lambda settings, directory: None)
    assert remarks(tmp_path, main_cf) == []


def test_services_that_are_not_there(tmp_path: Path) -> None:
    main_cf = "smtp_generic_maps = proxy:hash:/served\nsmtp_connection_cache_shared = yes\n"
    assert remarks(tmp_path, main_cf) == []
    proxymap, scache = remarks(tmp_path, main_cf, MASTER_CF.partition("\n")[0] + "\n")
    assert "master.cf has no service proxymap; mail that needs a proxy: table is deferred" in proxymap
    assert "master.cf has no service scache: each worker keeps its own connections" in scache


def test_what_postfix_says_that_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "postconf"
    (tmp_path / "main.cf").write_text(f"command_directory = {tmp_path}\n")
    settings = read_postfix_settings(tmp_path, ())
    assert read_served(settings, tmp_path) is None
    command.write_text(
        f'#!/bin/sh\n[ "$*" = "-c {tmp_path} -x -h proxy_read_maps" ] || exit 1\necho "hash:/a, proxy:hash:/b" \\\n'
    )
    command.chmod(0o755)
    assert read_served(settings, tmp_path) == {"hash:/b"}
    assert read_served(settings, tmp_path / "other") is None
