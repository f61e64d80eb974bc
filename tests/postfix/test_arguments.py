"""The command line of master(8)."""

from __future__ import annotations

import pytest

from mailrider.errors import WrongUsage
from mailrider.model.request import Transport
from mailrider.postfix.arguments import is_run_by_master, parse_master_orders


def test_a_line_as_master_makes_it() -> None:
    orders = parse_master_orders("mailrider", ["-l", "-n", "smtp", "-t", "unix", "-u", "agent", "--transport", "smtp"])
    assert (orders.service, orders.transport, orders.unprivileged, orders.chroot) == ("smtp", Transport.SMTP, True, False)
    assert (orders.overrides, orders.flags, orders.listeners, orders.workers) == ((), "", 1, 0)


def test_everything_at_once() -> None:
    words = (
        "-l -n final -t unix -d -v -u -c -s 2 agent --transport=lmtp --workers 3 --most-at-once 40 -i 5 -m7 -o a=b -vv flags=DX"
        " --syslog /run/log"
    )
    orders = parse_master_orders("mailrider", words.split())
    assert orders.service == "final"
    assert orders.transport is Transport.LMTP
    assert orders.chroot
    assert (orders.verbose, orders.listeners, orders.workers, orders.most_at_once) == (3, 2, 3, 40)
    assert (orders.idle_seconds, orders.uses_limit) == ("5", "7")
    assert orders.overrides == ("a=b",)
    assert (orders.flags, orders.syslog) == ("DX", "/run/log")


@pytest.mark.parametrize(
    ("program", "words", "transport"),
    [
        ("lmtp", [], Transport.LMTP),
        ("smtp", ["-n", "relay"], Transport.SMTP),
        ("mailrider", ["-n", "lmtp"], Transport.LMTP),
        ("mailrider", ["-n", "relay"], Transport.SMTP),
    ],
)
def test_which_protocol(program: str, words: list[str], transport: Transport) -> None:
    orders = parse_master_orders(program, words)
    assert orders.transport is transport
    assert orders.service == (words[1] if words else transport.value)


@pytest.mark.parametrize(
    "words",
    [
        ["-t", "inet"], ["-Q"], ["--help"], ["agent", "flags=Z"], ["agent", "user=nobody"], ["agent", "more"], ["-o"],
        ["-s", "0"],
        ["agent", "--transport", "uucp"], ["agent", "--workers", "many"], ["agent", "--workers", "65"], ["-s", "9" * 30],
    ],
)  # fmt: skip
def test_what_smtp_would_not_take_either(words: list[str]) -> None:
    with pytest.raises(WrongUsage, match=r"^master\.cf: "):
        parse_master_orders("mailrider", words)


def test_somebody_else_is_not_taken_for_master() -> None:
    assert not is_run_by_master({})
    assert not is_run_by_master({"GENERATION": "Z"})
