"""`mailrider config init DIR`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mailrider.cli.config import config
from mailrider.cli.config_init import CHAPTERS, render_main_cf, write_main_cf
from mailrider.errors import CannotCreate, WrongUsage
from mailrider.settings import HostFacts, Settings, load_settings
from mailrider.settings.review import review


def test_the_file_is_written_and_raises_no_doubt(tmp_path: Path) -> None:
    path = write_main_cf(tmp_path / "new" / "folder")
    settings = load_settings(path.parent, host=HostFacts("client.example"))
    assert review(settings) == ((), (), ())
    assert settings.compatibility_level == "3.6"
    assert settings.smtp_dns_support_level == "dnssec"


def test_what_waits_is_a_comment_that_says_so() -> None:
    lines = render_main_cf().splitlines()
    for _, proposals in CHAPTERS:
        for proposal in proposals:
            parameter = Settings.find(proposal.name)
            assert parameter is not None
            parameter.parse(proposal.value)
            place = next(i for i, line in enumerate(lines) if line.lstrip("#").startswith(f"{proposal.name} = "))
            assert (lines[place][0] == "#") == (proposal.example or not parameter.in_effect)
            assert lines[place - 1].endswith("Not in effect yet.") == (not parameter.in_effect)


def test_good_practice_is_in_it() -> None:
    text = render_main_cf()
    for line in ("smtp_tls_security_level = dane", "smtp_tls_mta_sts = yes", "smtp_chunking = yes", "retry_jitter = 10"):
        assert f"{line}\n" in text


def test_a_node_does_not_live_where_postfix_does(tmp_path: Path) -> None:
    path = write_main_cf(tmp_path / "etc")
    settings = load_settings(path.parent, host=HostFacts("client.example"))
    assert settings.data_directory == "/var/lib/mailrider"
    assert settings.queue_directory == "/var/lib/mailrider/queue"
    assert settings.tls_mta_sts_cache_directory == "/var/lib/mailrider/mta-sts"


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("mine\n")
    with pytest.raises(CannotCreate, match=r"main\.cf is there already"):
        write_main_cf(tmp_path)
    assert (tmp_path / "main.cf").read_text() == "mine\n"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotCreate, match="cannot write"):
        write_main_cf(tmp_path / "file" / "folder")
    with pytest.raises(CannotCreate, match="file is there already"):
        write_main_cf(tmp_path / "file")


def test_the_command_says_what_comes_next(tmp_path: Path) -> None:
    done = CliRunner().invoke(config, ["init", str(tmp_path)])
    assert done.exit_code == 0
    assert done.stdout.startswith(f"{tmp_path}/main.cf is written; ")
    again = CliRunner().invoke(config, ["init", str(tmp_path)])
    assert isinstance(again.exception, CannotCreate)
    for names in (["init"], ["init", ""], ["init", "a", "b"]):
        nowhere = CliRunner().invoke(config, names)
        assert isinstance(nowhere.exception, WrongUsage)
        assert "needs one directory" in str(nowhere.exception)
