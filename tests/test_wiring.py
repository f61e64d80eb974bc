"""The running whole: built once, from settings alone."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from mailrider.errors import WrongConfiguration, WrongUsage
from mailrider.events import Event, Warned
from mailrider.machine import SystemClock, choose_configuration, read_host_facts, read_settings
from mailrider.model.outcome import Outcome, Recorded
from mailrider.model.request import DeliveryRequest, Envelope, Recipient, Transport
from mailrider.model.server import Family
from mailrider.settings import HostFacts
from mailrider.settings.loading import load_settings
from mailrider.spool.message import MemoryMessage
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.zone import ZoneServer
from mailrider.wiring import Engine

T = TypeVar("T")


def engine_of(events: list[Event] | None = None, **settings: object) -> Engine:
    overrides = [f"{name}={value}" for name, value in settings.items()]
    loaded = load_settings(None, overrides, host=HostFacts("me.example.test"))
    return Engine(loaded, events.append if events is not None else lambda event: None)


def with_engine(act: Callable[[Engine], T], events: list[Event] | None = None, **settings: object) -> T:
    async def main() -> T:
        engine = engine_of(events, **settings)
        result = act(engine)
        await engine.close()
        return result

    return asyncio.run(main())


def run(main: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(main)


class Keeper:
    async def settle(self, recipient: Recipient, outcome: Outcome) -> Recorded:
        return Recorded.RECORDED


def request(nexthop: str, transport: Transport = Transport.SMTP, service: str = "smtp") -> DeliveryRequest:
    envelope = Envelope("a@example.test", (Recipient("b@example.test"),))
    return DeliveryRequest(envelope, MemoryMessage(b"x"), nexthop, transport=transport, service=service)


def test_the_clock_is_that_of_the_machine() -> None:
    clock = SystemClock()
    assert clock.monotonic_seconds is time.monotonic
    assert clock.wall_seconds is time.time


def test_the_facts_of_the_host() -> None:
    assert read_host_facts() == HostFacts(socket.gethostname(), os.getpid())


def test_the_directory_that_was_named_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MAIL_CONFIG", "/from/the/environment")
    assert choose_configuration(tmp_path) == tmp_path
    assert choose_configuration(None) == Path("/from/the/environment")
    monkeypatch.setenv("MAIL_CONFIG", "")
    monkeypatch.setattr("mailrider.settings.loading.USUAL_DIRECTORY", str(tmp_path))
    assert choose_configuration(None) is None
    (tmp_path / "main.cf").write_text("")
    assert choose_configuration(None) == tmp_path


def test_settings_are_read_and_checked(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("relayhost = from.file.test\nsmtp_helo_name = h.test\n")
    settings = read_settings(tmp_path, ["relayhost=from.option.test"])
    assert (settings.text("relayhost"), settings.smtp_helo_name) == ("from.option.test", "h.test")
    with pytest.raises(WrongConfiguration):
        read_settings(tmp_path, ["soft_bounce=perhaps"])
    with pytest.raises(WrongUsage):
        read_settings(None, ["nonsense=1"])


def test_agents_and_profiles_are_made_once() -> None:
    def act(engine: Engine) -> None:
        assert engine.agent(Transport.SMTP, "smtp") is engine.agent(Transport.SMTP, "smtp")
        assert engine.agent(Transport.SMTP, "relay") is not engine.agent(Transport.SMTP, "smtp")
        assert engine.agent(Transport.LMTP, "smtp") is not engine.agent(Transport.SMTP, "smtp")
        assert engine.profile(Transport.SMTP) is engine.profile(Transport.SMTP)
        assert engine.profile(Transport.LMTP).lmtp

    with_engine(act)


@pytest.mark.parametrize(
    "settings",
    [
        {"smtp_fallback_relay": "[x"},
        {"lmtp_fallback_relay": "[x"},
        {"smtp_reply_filter": "nonsense:/x"},
        {"lmtp_reply_filter": "nonsense:/x"},
        {"smtp_dns_reply_filter": "nonsense:/x"},
        {"smtp_helo_name": "a\x01b"},
        {"lmtp_lhlo_name": "a\x01b"},
    ],
)
def test_what_is_wrong_is_found_before_mail_comes(settings: dict[str, object]) -> None:
    with pytest.raises(WrongConfiguration, match=next(iter(settings))):
        with_engine(Engine.check, **settings)


def test_the_window_of_a_service_is_its_own() -> None:
    settings = {
        "default_destination_concurrency_limit": 30,
        "relay_destination_concurrency_limit": 4,
        "initial_destination_concurrency": 2,
        "relay_initial_destination_concurrency": 3,
        "relay_destination_concurrency_positive_feedback": "1/concurrency",
        "default_destination_concurrency_negative_feedback": 0.5,
        "relay_destination_concurrency_failed_cohort_limit": 7,
        "minimal_backoff_time": "99s",
    }
    smtp, relay = with_engine(lambda engine: (engine.window_terms("smtp"), engine.window_terms("relay")), **settings)
    assert (smtp.limit, smtp.initial, smtp.failed_cohort_limit, smtp.dead_seconds) == (30, 2, 1, 99)
    assert (relay.limit, relay.initial, relay.failed_cohort_limit) == (4, 3, 7)
    assert (smtp.positive(4), relay.positive(4), smtp.negative(4)) == (1.0, 0.25, 0.5)


def test_the_recipients_of_a_request_are_limited_by_service() -> None:
    limits = with_engine(
        lambda engine: [engine.recipient_limit(name) for name in ("smtp", "lmtp", "relay")],
        default_destination_recipient_limit=50,
        lmtp_destination_recipient_limit=1,
    )
    assert limits == [50, 1, 50]


@pytest.mark.parametrize(
    ("settings", "bound"),
    [
        ({}, {}),
        ({"inet_interfaces": "127.0.0.1"}, {}),
        ({"inet_interfaces": "192.0.2.7"}, {Family.IPV4: "192.0.2.7"}),
        ({"inet_interfaces": "192.0.2.7, 192.0.2.8"}, {}),
        ({"inet_interfaces": "192.0.2.7", "smtp_bind_address": "192.0.2.9"}, {Family.IPV4: "192.0.2.9"}),
        (
            {"inet_interfaces": "192.0.2.7, [2001:db8::7]", "inet_protocols": "all"},
            {Family.IPV4: "192.0.2.7", Family.IPV6: "2001:db8::7"},
        ),
    ],
)
def test_mail_leaves_from_the_only_address_that_is_ours(
    settings: dict[str, object], bound: dict[Family, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = ("127.0.0.1", "192.0.2.7", "192.0.2.8", "192.0.2.9", "::1", "2001:db8::7")
    monkeypatch.setattr("mailrider.wiring.read_interface_addresses", lambda: ours)
    profile = with_engine(lambda engine: engine.profile(Transport.SMTP), **settings)
    assert dict(profile.dialling.bind_addresses) == bound


def test_mail_finds_its_way_through_the_name_service() -> None:
    """MX, address, port, all from settings; the second request is answered from the cache."""

    async def main() -> tuple[list[str], list[str]]:
        records = ["example.test MX 10 mx.example.test", "mx.example.test A 127.0.0.1"]
        async with ZoneServer(records) as names, ScriptedServer() as peer:
            engine = engine_of(dns_nameservers=f"{names.address}:{names.port}", smtp_tcp_port=peer.port, inet_protocols="ipv4")
            relays = []
            for _ in range(2):
                report = await engine.agent(Transport.SMTP, "smtp").deliver(request("example.test"), Keeper())
                outcome = report.outcomes[0]
                assert outcome is not None
                relays.append(outcome.relay)
            await engine.close()
            return relays, [
                f"{asked.name} {asked.type}" if hasattr(asked, "name") else str(asked) for asked in names.zone.asked
            ]

    relays, asked = run(main())
    assert [relay.partition("]")[0] for relay in relays] == ["mx.example.test[127.0.0.1"] * 2
    assert len(asked) == 2


@pytest.mark.parameter("smtp_dns_reply_filter")
def test_name_service_answers_may_be_filtered(tmp_path: Path) -> None:
    async def main() -> str:
        table = tmp_path / "filter"
        table.write_text("/^bad.example.test. / IGNORE\n")
        async with ZoneServer(["bad.example.test A 127.0.0.1"]) as names:
            events: list[Event] = []
            engine = engine_of(
                events,
                dns_nameservers=f"{names.address}:{names.port}",
                smtp_dns_reply_filter=f"regexp:{table}",
                inet_protocols="ipv4",
            )
            report = await engine.agent(Transport.SMTP, "smtp").deliver(request("[bad.example.test]"), Keeper())
            await engine.close()
            outcome = report.outcomes[0]
            assert outcome is not None
            return outcome.status_code

    assert run(main()) == "4.7.0"


def test_doubtful_lines_of_tables_are_told(tmp_path: Path) -> None:
    table = tmp_path / "filter"
    table.write_text("nonsense\n/^250 / 250 ok\n")
    events: list[Event] = []
    with_engine(Engine.check, events, smtp_reply_filter=f"regexp:{table}")
    assert any(isinstance(event, Warned) and str(table) in event.text for event in events)


def test_a_drain_reaches_every_agent_of_today_and_tomorrow() -> None:
    async def main() -> list[str]:
        engine = engine_of()
        engine.agent(Transport.SMTP, "smtp")
        engine.drain()
        codes = []
        for service in ("smtp", "new"):
            agent = engine.agent(Transport.SMTP, service)
            report = await agent.deliver(request("[127.0.0.1]:1", service=service), Keeper())
            codes += [outcome.status_code for outcome in report.outcomes if outcome is not None]
        await engine.close()
        return codes

    assert run(main()) == ["4.3.2", "4.3.2"]


@pytest.mark.parametrize(
    ("level", "words"),
    [("dane", "no server is held to its TLSA records"), ("dane-only", "no mail is delivered"), ("may", ""), ("secure", "")],
)
@pytest.mark.parametrize("validates", [True, False])
def test_at_start_up_name_servers_are_tested_where_the_level_needs_them(level: str, words: str, validates: bool) -> None:
    async def main() -> None:
        events: list[Event] = []
        async with ZoneServer(["probe.test A 192.0.2.1"], secure=validates) as names:
            engine = engine_of(
                events,
                dns_nameservers=f"{names.address}:{names.port}",
                smtp_dns_support_level="dnssec",
                smtp_tls_security_level=level,
                dnssec_probe="a:probe.test",
            )
            engine.check()
            test = engine.self_test
            assert (test is not None) is bool(words)
            if test is not None:
                await test
            engine.begin_self_test()
            assert engine.self_test is test
            assert len(names.zone.asked) == bool(words)
            await engine.close()
        warnings = [event.text for event in events if isinstance(event, Warned)]
        expected = f"smtp_tls_security_level = {level}: {words} while the name servers do not validate"
        assert warnings[2:] == ([expected] if words and not validates else [])

    run(main())


def test_a_self_test_that_nobody_answers_holds_nothing_up() -> None:
    async def main() -> None:
        async with ZoneServer([], faults={"probe.test/A": "TIMEOUT"}) as names:
            engine = engine_of(
                dns_nameservers=f"{names.address}:{names.port}",
                smtp_dns_support_level="dnssec",
                smtp_tls_security_level="dane",
                dnssec_probe="a:probe.test",
            )
            engine.check()
            await asyncio.sleep(0)
            await engine.close()
            assert engine.self_test is not None
            assert engine.self_test.cancelled()

    run(main())
