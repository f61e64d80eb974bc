"""The inspector goes the way of a message and leaves before there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from delivery.scene import KnownDirectory, at, nobody, profile_of, server_of
from mailrider.cli.probe import find_code
from mailrider.cli.probe_facts import describe_inspection, split_features
from mailrider.delivery.inspection import Inspection, Inspector
from mailrider.delivery.security import make_security
from mailrider.delivery.trouble import Disposition
from mailrider.model.server import Server
from mailrider.model.tls import Standing
from mailrider.net.deadline import DeadlineWheel
from mailrider.resolver.recording import RecordingResolver
from mailrider.route.exchangers import Found, NotFound
from mailrider.testkit.authority import make_root
from mailrider.testkit.peers import DEFAULT_KEYWORDS, ScriptedServer
from mailrider.testkit.rules import Rule
from mailrider.testkit.zone import Zone, ZoneResolver
from virtual_time import VirtualClock, run

NO_SETTINGS: dict[str, object] = {}


def inspect(
    *peers: ScriptedServer,
    nexthop: str = "",
    routes: Mapping[str, Sequence[Server] | Found | NotFound] | None = None,
    zone: Zone | None = None,
    options: Mapping[str, Any] | None = None,
    **settings: object,
) -> Inspection:
    """Look at these servers, one next hop element each, or at what `routes` says."""

    async def main() -> Inspection:
        for peer in peers:
            await peer.__aenter__()
        try:
            import asyncio

            profile = profile_of(**settings)
            known = dict(routes or {})
            if not nexthop.startswith("[") and not known and nexthop:
                known[nexthop] = [server_of(peer, f"mx{number}.test", number) for number, peer in enumerate(peers, 1)]
            directory = KnownDirectory(profile, known)
            directory._resolver = RecordingResolver(ZoneResolver(zone or Zone()))
            clock = VirtualClock()
            security = make_security(profile.settings, directory.resolver, clock, lambda text: None)
            inspector = Inspector(profile, directory, security, DeadlineWheel(asyncio.get_running_loop()), clock)
            return await inspector.inspect(nexthop or at(*peers), **dict(options or {}))
        finally:
            for peer in peers:
                await peer.wait_until_alone()
                await peer.close()

    return run(main())


def test_nothing_is_said_but_hello_and_goodbye() -> None:
    peer = ScriptedServer()
    found = inspect(peer)
    assert peer.sessions[0].commands == ["EHLO me.example.test", "QUIT"]
    assert found.forecast is not None
    assert found.forecast.disposition is None
    assert find_code(describe_inspection(found)) == 0


def test_tls_is_shown_with_all_its_certificates(tmp_path: Path) -> None:
    root = make_root()
    issuer = root.issue("Issuer", is_authority=True)
    chain = issuer.issue("mx", ["mx1.test"])
    peer = ScriptedServer(tls=chain.server_context(tmp_path))
    found = inspect(peer, smtp_tls_security_level="may")
    server = found.destinations[0].servers[0]
    assert peer.sessions[0].commands == ["EHLO me.example.test", "STARTTLS", "EHLO me.example.test", "QUIT"]
    assert server.tls is not None
    assert server.tls.peer.standing is Standing.UNTRUSTED
    facts = describe_inspection(found)["destinations"][0]["servers"][0]
    assert [each["subject"] for each in facts["tls"]["chain"]] == ["mx", "Issuer"]
    assert facts["tls"]["chain"][0]["names"] == ["mx1.test"]
    assert "STARTTLS" in facts["ehlo_before_tls"]
    assert facts["ehlo_after_tls"]
    assert "STARTTLS" not in facts["ehlo_after_tls"]
    assert facts["policy"]["source"] == "smtp_tls_security_level = may"


def test_a_server_that_does_not_prove_itself_gets_no_mail(tmp_path: Path) -> None:
    peer = ScriptedServer(tls=make_root().issue("mx", ["mx1.test"]).server_context(tmp_path))
    found = inspect(peer, smtp_tls_security_level="secure")
    assert found.forecast is not None
    assert found.forecast.disposition is Disposition.DEFER
    assert found.forecast.failure is not None
    assert found.forecast.failure.status == "4.7.5"
    assert found.destinations[0].servers[0].chain
    assert find_code(describe_inspection(found)) == 75


def test_the_first_server_that_lets_us_in_takes_the_message_and_the_others_are_looked_at_too() -> None:
    bad, good, other = ScriptedServer(Rule(on="greeting", reply="421 busy")), ScriptedServer(), ScriptedServer()
    found = inspect(bad, good, other, nexthop="dest.test")
    assert found.forecast is not None
    assert found.forecast.server is not None
    assert found.forecast.server.host == "mx2.test"
    assert [each.ready for each in found.destinations[0].servers] == [False, True, True]
    assert len(other.sessions) == 1


def test_a_refusal_that_is_final_ends_it() -> None:
    bad, good = ScriptedServer(Rule(on="greeting", reply="554 no")), ScriptedServer()
    found = inspect(bad, good, nexthop="dest.test", smtp_skip_5xx_greeting=False)
    assert found.forecast is not None
    assert found.forecast.disposition is Disposition.BOUNCE
    assert find_code(describe_inspection(found)) == 69


def test_a_destination_without_servers() -> None:
    found = inspect(nexthop="dest.test", routes={"dest.test": NotFound("5.4.4", "no such host")})
    facts = describe_inspection(found)
    assert facts["verdict"] == {"outcome": "bounced", "relay": None, "reason": {"status": "5.4.4", "text": "no such host"}}
    relayed = inspect(nexthop="dest.test", routes={"dest.test": NotFound("5.4.4", "no such host")}, relayhost="dest.test")
    assert describe_inspection(relayed)["verdict"]["outcome"] == "deferred"


def test_nobody_is_there() -> None:
    found = inspect(nexthop="dest.test", routes={"dest.test": [nobody(), nobody("gone2.test")]})
    server = found.destinations[0].servers[1]
    assert not server.connected
    assert found.forecast is not None
    assert found.forecast.disposition is Disposition.DEFER


def test_without_connections_nobody_knows() -> None:
    peer = ScriptedServer()
    found = inspect(peer, nexthop="dest.test", options={"connect": False})
    assert found.forecast is None
    assert not peer.sessions
    assert find_code(describe_inspection(found)) == 0


def test_a_server_that_hangs_costs_the_time_limit() -> None:
    peer = ScriptedServer(Rule(on="greeting", then="silence"))
    found = inspect(peer, options={"timeout_seconds": 3.0})
    server = found.destinations[0].servers[0]
    assert server.failure is not None
    assert "took more than 3 s" in server.failure.text
    assert server.seconds == pytest.approx(3.0, abs=0.1)


def test_what_the_limit_of_addresses_leaves_out_is_named() -> None:
    peers = [ScriptedServer() for _ in range(3)]
    found = inspect(*peers, nexthop="dest.test", smtp_mx_address_limit=2)
    assert [server.host for server in found.destinations[0].left_out] == ["mx3.test"]


LOGIN = {"smtp_sasl_auth_enable": True, "smtp_sasl_password_maps": "static:joe:secret"}


@pytest.mark.parametrize(
    ("keywords", "settings", "wanted"),
    [
        (("AUTH CRAM-MD5 PLAIN",), {}, {"user": "joe", "mechanism": "CRAM-MD5", "reason": ""}),
        (("AUTH PLAIN",), {"smtp_sasl_security_options": ""}, {"user": "joe", "mechanism": "PLAIN", "reason": ""}),
        ((), {}, {"user": "joe", "mechanism": "", "reason": ""}),
        (("AUTH CRAM-MD5",), {"smtp_sasl_password_maps": "inline:{other=x:y}"}, None),
    ],
)
def test_the_login_is_chosen_and_not_tried(keywords: tuple[str, ...], settings: dict[str, object], wanted: object) -> None:
    peer = ScriptedServer(keywords=(*DEFAULT_KEYWORDS, *keywords))
    found = inspect(peer, **(LOGIN | settings))
    assert describe_inspection(found)["destinations"][0]["servers"][0]["login"] == wanted
    assert peer.sessions[0].commands == ["EHLO me.example.test", "QUIT"]
    assert "secret" not in str(describe_inspection(found))
    assert find_code(describe_inspection(found)) == 0


def test_a_login_that_cannot_be_keeps_the_mail_back() -> None:
    peer = ScriptedServer(keywords=(*DEFAULT_KEYWORDS, "AUTH PLAIN"))
    found = inspect(peer, **LOGIN)
    facts = describe_inspection(found)
    assert facts["verdict"]["outcome"] == "deferred"
    assert facts["destinations"][0]["servers"][0]["login"]["reason"]


def test_lines_of_a_server_are_one_line_each_and_printable() -> None:
    peer = ScriptedServer(keywords=("X-\x1b[31mRED", "DSN"))
    facts = describe_inspection(inspect(peer))
    assert "\x1b" not in str(facts)


def test_features_before_and_after() -> None:
    talk = [
        ("S", "220 hi"), ("C", "EHLO me"), ("S", "500 what"), ("C", "HELO me"), ("S", "250 mx"), ("C", "STARTTLS"),
        ("S", "220 go"),
        ("C", "EHLO me"), ("S", "250-mx"), ("S", "250 DSN"), ("C", "QUIT"), ("S", "250 odd"),
    ]  # fmt: skip
    assert split_features(talk) == (["mx"], ["mx", "DSN"])
