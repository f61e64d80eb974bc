"""What of a node's work belongs to one of its workers, by its settings."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mailrider import node_parts
from mailrider.events import ignore_event
from mailrider.queue.portion import Way
from mailrider.queue.routing import Route
from mailrider.queue.share import ALONE, Part
from mailrider.settings import HostFacts, Settings, load_settings
from mailrider.wiring import Engine

NAMES = [f"dest{number}.example" for number in range(40)]


def make(folder: Path | None = None, **values: str) -> Settings:
    own = {"myhostname": "here.example", "mydestination": "", **values}
    return load_settings(folder, [f"{name}={value}" for name, value in own.items()], host=HostFacts("here.example"))


def ignore(text: str) -> None:
    pass


def spread(settings: Settings, transport: str = "smtp") -> set[int]:
    """The workers, of four, to whom forty destinations belong."""
    router = node_parts.make_router(settings, ignore)
    shares = [node_parts.make_share(settings, router, Part(number, 4)) for number in range(4)]
    return {
        number
        for name in NAMES
        for number, share in enumerate(shares)
        if share is not None and share.has_route(Route(transport, name))
    }


def test_who_is_alone_has_no_share() -> None:
    settings = make()
    assert node_parts.make_share(settings, node_parts.make_router(settings, ignore), ALONE) is None


@pytest.mark.parametrize(
    "values",
    [{"smtp_transport_rate_delay": "1s"}, {"smtp_transport_rate": "10/s"}, {"destination_group": "mx"}],
    ids=str,
)
def test_a_transport_whose_destinations_share_something_belongs_to_one_worker(values: dict[str, str]) -> None:
    assert spread(make()) == {0, 1, 2, 3}
    settings = make(**values)
    assert len(spread(settings)) == 1
    assert spread(settings, "lmtp") == {0, 1, 2, 3}


def test_so_does_one_with_a_process_limit(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("")
    (tmp_path / "master.cf").write_text("slow unix - - n - 2 smtp\nsmtp unix - - n - - smtp\n")
    settings = make(tmp_path)
    assert spread(settings) == {0, 1, 2, 3}
    assert len(spread(settings, "slow")) == 1
    assert node_parts.make_service_terms(settings, "slow", 4).deliveries_limit == 2


def test_what_protects_the_memory_is_divided() -> None:
    settings = make(qmgr_message_active_limit="10", qmgr_message_recipient_limit="21", deliveries_limit="9")
    terms = node_parts.make_runner_terms(settings, 2)
    assert (terms.messages_limit, terms.recipients_limit) == (5, 11)
    assert node_parts.make_service_terms(settings, "smtp", 2).deliveries_limit == 5


@pytest.mark.parameter("qmgr_clog_warn_time", "qmgr_message_recipient_minimum")
def test_when_a_clog_is_told_and_how_much_of_a_message_is_in_memory() -> None:
    settings = make(qmgr_clog_warn_time="60", qmgr_message_active_limit="100", qmgr_message_recipient_minimum="7")
    assert node_parts.make_clog_terms(settings, 2) == (10, 60.0)
    assert node_parts.make_runner_terms(settings).mailing_minimum == 7
    for never in ({"qmgr_clog_warn_time": "0"}, {"helpful_warnings": "no"}):
        assert node_parts.make_clog_terms(make(**never)).length > 1e9


@pytest.mark.parameter("destination_group")
def test_destinations_of_smtp_are_grouped_where_that_is_wanted() -> None:
    async def go(**values: str) -> list[bool]:
        engine = Engine(make(**values), ignore_event)
        ways = node_parts.Ways(engine, ignore_event)
        found = [ways.find(Route(service, "dest.example")) for service in ("smtp", "relay", "lmtp")]
        await engine.close()
        return [isinstance(way, Way) and way.find_exchangers is not None for way in found]

    assert asyncio.run(go()) == [False, False, False]
    assert asyncio.run(go(destination_group="mx")) == [True, True, False]
    assert asyncio.run(go(destination_group="mx", relay_destination_recipient_limit="1")) == [True, False, False]
