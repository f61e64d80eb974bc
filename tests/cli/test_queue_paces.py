"""`mailrider queue explain` says at which pace a recipient may go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mailrider.cli.queue_explain import explain_message, explanation_lines
from mailrider.cli.queue_paces import find_paces
from mailrider.model.request import Envelope, Recipient
from mailrider.settings import HostFacts, Settings, load_settings
from mailrider.spool.spool import OpenRecipient, StoredMessage


def read(directory: Path, main_cf: str) -> Settings:
    (directory / "main.cf").write_text("mydestination =\n" + main_cf)
    (directory / "master.cf").write_text("smtp unix - - n - - smtp\nslow unix - - n - - smtp\n")
    return load_settings(directory, host=HostFacts("here.example"))


def stored(*addresses: str, sender: str = "a@here.example") -> StoredMessage:
    recipients = tuple(OpenRecipient(number, Recipient(address)) for number, address in enumerate(addresses))
    envelope = Envelope(sender, tuple(one.recipient for one in recipients))
    return StoredMessage("4jXby03yT2z10pr", envelope, recipients, len(recipients), 10, 1000.0, 0.0, {}, "api", False)


def test_the_rates_of_the_service_are_told(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        "transport_maps = inline:{{a.example = slow:}, {c.example = error:no}}\nslow_destination_rate = 300/h\n"
        "default_transport_rate = 20/s\nslow_destination_rate_delay = 0s\n",
    )
    assert find_paces(stored("1@a.example", "2@b.example", "3@c.example"), settings) == {
        0: "slow_destination_rate = 300/h, slow_transport_rate = 20/s",
        1: "smtp_transport_rate = 20/s",
    }


def test_pauses_are_told_too(tmp_path: Path) -> None:
    settings = read(tmp_path, "smtp_destination_rate_delay = 5s\n")
    assert find_paces(stored("1@a.example"), settings) == {0: "smtp_destination_rate_delay = 5s"}


@pytest.mark.parametrize("main_cf", ["", "default_destination_rate_delay = 0\n", "default_destination_rate =\n"])
def test_where_there_is_no_limit_nothing_is_said(tmp_path: Path, main_cf: str) -> None:
    assert find_paces(stored("1@a.example"), read(tmp_path, main_cf)) == {}


@pytest.mark.parameter("rates_count_null_sender")
def test_notices_pass_unless_they_are_to_count_or_there_is_a_pause(tmp_path: Path) -> None:
    notice = stored("1@a.example", sender="")
    told = find_paces(notice, read(tmp_path, "smtp_destination_rate = 1/s\n"))
    assert told == {0: "none: it is from the null sender, for which smtp_destination_rate = 1/s does not count"}
    told = find_paces(notice, read(tmp_path, "smtp_destination_rate = 1/s\nrates_count_null_sender = yes\n"))
    assert told == {0: "smtp_destination_rate = 1/s"}
    told = find_paces(notice, read(tmp_path, "smtp_transport_rate_delay = 2s\nsmtp_destination_rate = 1/s\n"))
    assert told == {0: "smtp_destination_rate = 1/s, smtp_transport_rate_delay = 2s"}


def test_a_table_that_does_not_answer_says_nothing(tmp_path: Path) -> None:
    settings = read(tmp_path, "transport_maps = fail:x\nsmtp_destination_rate = 1/s\n")
    assert find_paces(stored("1@a.example"), settings) == {}


def test_it_stands_in_the_explanation(tmp_path: Path) -> None:
    told: dict[str, Any] = explain_message(stored("1@a.example"), read(tmp_path, ""), 1001.0, {}, {0: "x_transport_rate = 1/s"})
    assert told["recipients"][0]["pace"] == "x_transport_rate = 1/s"
    assert "    pace:  x_transport_rate = 1/s" in explanation_lines(told, 1001.0)
