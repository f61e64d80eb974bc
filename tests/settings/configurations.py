"""Configurations with what `postconf -c DIR -x NAME...` of Postfix 3.7.11 says about them.

Each is a pair of files in the folder `configurations`: `TITLE.cf`, a main.cf, and `TITLE.txt`, the recorded answer, one name
a line, or the one word `fatal`.  To record them anew, where Postfix 3.7 is installed::

    python -m tests.settings.configurations
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).with_name("configurations")
FATAL = "fatal\n"


class Case(NamedTuple):
    """A main.cf and its recorded answer; `names` are those that were asked for."""

    title: str
    main_cf: str
    names: tuple[str, ...]
    answer: str


def read_cases() -> list[Case]:
    """All configurations, by title."""
    cases = []
    for path in sorted(FOLDER.glob("*.cf")):
        answer = path.with_suffix(".txt").read_text("utf-8")
        names = tuple(line.partition(" =")[0] for line in answer.splitlines())
        with path.open(encoding="utf-8", newline="") as file:
            cases.append(Case(path.stem, file.read(), ("myorigin",) if answer == FATAL else names, answer))
    return cases


CASES = read_cases()


def record() -> None:
    """Ask postconf about every configuration, and keep its answers."""
    from .postconf import ask_postconf_or_fatal, write_configuration

    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            write_configuration(Path(folder), case.main_cf)
            answer = ask_postconf_or_fatal("-c", folder, "-x", *case.names)
        (FOLDER / f"{case.title}.txt").write_text(answer if answer is not None else FATAL, "utf-8")


if __name__ == "__main__":
    record()
