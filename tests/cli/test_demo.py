from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner

from mailrider.cli import demonstration
from mailrider.cli.demo import demo
from mailrider.cli.demonstration import Report, Row


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> Report:
    """What the demonstration will say, without one."""
    report = Report(10, seconds=0.5, failed_connections=3, connections=4, arrived=9, arrived_octets=9_000_000, intact=9)
    report.statuses.update({"sent": 9, "bounced": 1})
    report.counts.update(
        {
            Row("demo.example", "mx2.demo.example", "sent", "2.0.0", "accepted"): 9,
            Row("demo.example", "mx2.demo.example", "bounced", "5.1.1", "550 5.1.1 nobody"): 1,
        }
    )

    async def pretend(messages: int, progress: Callable[[], None] = lambda: None) -> Report:
        assert messages == 10
        for _ in range(messages):
            progress()
        return report

    monkeypatch.setattr(demonstration, "demonstrate", pretend)
    return report


def test_the_table_says_what_happened(report: Report) -> None:
    result = CliRunner().invoke(demo, ["-n", "10"], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    assert "550 5.1.1 nobody" in result.stdout
    assert "20 deliveries a second: 9 sent, 0 deferred, 1 bounced in 0.50 s over 4 connections" in result.stdout
    assert "9 messages (9.0 MB) arrived, 9 of them once and unchanged." in result.stdout


def test_json_is_one_object(report: Report) -> None:
    result = CliRunner().invoke(demo, ["--messages", "10", "--json"])
    assert result.exit_code == 0
    said = json.loads(result.stdout)
    assert (said["sent"], said["as_expected"], said["rows"][1]["count"]) == (9, True, 1)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_what_was_not_expected_shows_in_the_exit_code(report: Report, options: list[str]) -> None:
    report.surprises.append("a message [in brackets] was lost")
    result = CliRunner().invoke(demo, ["-n", "10", *options], env={"COLUMNS": "120"})
    assert result.exit_code == 70
    assert "a message [in brackets] was lost" in result.stdout


def test_too_few_messages_are_refused() -> None:
    assert CliRunner().invoke(demo, ["-n", "9"]).exit_code == 2
