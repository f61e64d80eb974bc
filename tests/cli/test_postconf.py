"""What postconf(1) says, where there is one that says anything."""

from __future__ import annotations

from pathlib import Path

from mailrider.cli.postconf import ask_postconf
from mailrider.settings import HostFacts, Settings, load_settings


def settings(folder: Path) -> Settings:
    (folder / "main.cf").write_text(f"command_directory = {folder}\n")
    return load_settings(folder, host=HostFacts("mail.example.com"))


def test_an_answer_is_its_output(tmp_path: Path) -> None:
    command = tmp_path / "postconf"
    command.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nprintf "\\377\\n"\n')
    command.chmod(0o755)
    assert ask_postconf(settings(tmp_path), tmp_path, "-h", "mail_version") == f"-c\n{tmp_path}\n-h\nmail_version\n\ufffd\n"


def test_a_failure_is_no_answer_and_neither_is_its_absence(tmp_path: Path) -> None:
    assert ask_postconf(settings(tmp_path), tmp_path) is None
    command = tmp_path / "postconf"
    command.write_text("#!/bin/sh\necho half an answer\nexit 1\n")
    command.chmod(0o755)
    assert ask_postconf(settings(tmp_path), tmp_path) is None
