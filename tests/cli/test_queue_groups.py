"""`mailrider queue explain` says with whom a recipient shares its limits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mailrider.cli.queue_explain import explain_message, explanation_lines
from mailrider.cli.queue_groups import find_groups
from mailrider.model.request import Envelope, Recipient
from mailrider.settings import HostFacts, Settings, load_settings
from mailrider.spool.spool import OpenRecipient, StoredMessage
from mailrider.testkit.zone import ZoneServer

RECORDS = [
    "a.example MX 10 mx2.host.example", "a.example MX 20 mx1.host.example",
    "b.example MX 10 mx1.host.example", "b.example MX 10 mx2.host.example", "bare.example A 192.0.2.1",
]  # fmt: skip
SHARED = "is limited together with all destinations at mx1.host.example, mx2.host.example, port 25"


def settings_of(port: int, **values: str) -> Settings:
    own = {"myhostname": "here.example", "mydestination": "", "dns_nameservers": f"127.0.0.1:{port}", **values}
    return load_settings(None, [f"{name}={value}" for name, value in own.items()], host=HostFacts("here.example"))


def stored(*addresses: str) -> StoredMessage:
    recipients = tuple(OpenRecipient(number, Recipient(address)) for number, address in enumerate(addresses))
    envelope = Envelope("a@here.example", tuple(one.recipient for one in recipients))
    return StoredMessage("4jXby03yT2z10pr", envelope, recipients, len(recipients), 10, 1000.0, 0.0, {}, "api", False)


@pytest.mark.parameter("destination_group")
def test_each_recipient_is_told_with_whom_it_goes() -> None:
    async def go() -> dict[int, str]:
        async with ZoneServer(RECORDS, faults={"c.example/MX": "SERVFAIL"}) as server:
            settings = settings_of(server.port, destination_group="mx", lmtp_destination_concurrency_limit="2")
            message = stored("1@a.example", "2@B.example", "3@bare.example", "4@[192.0.2.1]", "5@c.example", "wrong")
            return await find_groups(message, settings)

    told = asyncio.run(go())
    assert told[0] == f"a.example {SHARED}"
    assert told[1] == f"b.example {SHARED}"
    assert told[2] == "bare.example is limited on its own: it names no exchangers"
    assert told[3] == "[192.0.2.1] is limited on its own: it names no exchangers"
    assert told[4].startswith("c.example is limited on its own, or as it was before: Host or domain name not found.")


def test_where_nothing_is_grouped_nothing_is_said() -> None:
    async def go() -> dict[int, str]:
        async with ZoneServer(RECORDS) as server:
            return await find_groups(stored("1@a.example"), settings_of(server.port))

    assert asyncio.run(go()) == {}


def test_it_stands_in_the_explanation() -> None:
    settings = settings_of(53)
    message = stored("1@a.example", "2@b.example")
    told: dict[str, Any] = explain_message(message, settings, 1001.0, {1: "b.example is alone\x1b"})
    assert "group" not in told["recipients"][0]
    assert told["recipients"][1]["group"] == "b.example is alone?"
    assert "    group: b.example is alone?" in explanation_lines(told, 1001.0)
