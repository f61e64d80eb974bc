"""REQUIRETLS and TLS-Required: no, from the policy to what a server hears."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from delivery.scene import MESSAGE, Pieces, Scene, brief, server_of
from mailrider.delivery.required_tls import (
    HEADER_LIMIT_OCTETS,
    Strictness,
    object_to_level,
    open_required_tls,
    says_no_tls_required,
)
from mailrider.errors import ContentUnreadable, WrongConfiguration
from mailrider.events import Event, Noted
from mailrider.model.request import Transport
from mailrider.model.tls import TlsLevel
from mailrider.spool.message import MemoryMessage
from mailrider.testkit.authority import Certificate, make_root
from mailrider.testkit.peers import DEFAULT_KEYWORDS, ScriptedServer
from mailrider.testkit.rules import Rule
from parameters.scenes import settings_of
from virtual_time import run

ROOT = make_root()
NAME = "mx.dest.test"


def strictness_at(domain: str, transport: Transport = Transport.SMTP, **settings: object) -> tuple[Strictness, list[str]]:
    warnings: list[str] = []
    rules = open_required_tls(settings_of(transport, **settings), warnings.append)
    return rules.judge(domain), warnings


@pytest.mark.parameter("smtp_requiretls_policy")
@pytest.mark.parametrize(
    ("policy", "domain", "wanted"),
    [
        (None, "dest.test", Strictness.ENFORCE),
        (None, "example.test", Strictness.OPPORTUNISTIC),  # our own
        (None, "sub.example.test", Strictness.OPPORTUNISTIC),
        (None, "localhost", Strictness.OPPORTUNISTIC),
        (None, "127.0.0.1", Strictness.OPPORTUNISTIC),
        (None, "::1", Strictness.OPPORTUNISTIC),
        ("disable", "dest.test", Strictness.DISABLE),
        ("opportunistic+starttls", "dest.test", Strictness.STARTTLS),
        ("Enforce", "dest.test", Strictness.ENFORCE),
        ("", "dest.test", Strictness.ENFORCE),
        ("inline:{a.test=disable}", "b.test", Strictness.ENFORCE),
        ("inline:{.test=disable}, opportunistic", "a.b.test", Strictness.DISABLE),
        ("inline:{.test=disable}, opportunistic", "test", Strictness.OPPORTUNISTIC),
        ("inline:{xn--bcher-kva.test=disable}", "bücher.test", Strictness.DISABLE),
        ("inline:{a.test=nonsense}", "a.test", Strictness.ERROR),
        ("inline:{a.test=inline:{x=y}}", "a.test", Strictness.ERROR),
        ("fail:broken", "a.test", Strictness.ERROR),
    ],
)
def test_policies(policy: str | None, domain: str, wanted: Strictness) -> None:
    settings = {} if policy is None else {"smtp_requiretls_policy": policy}
    found, warnings = strictness_at(domain, **settings)
    assert found is wanted
    assert bool(warnings) is (wanted is Strictness.ERROR)


@pytest.mark.parameter("requiretls_enable")
def test_off_is_off() -> None:
    assert strictness_at("dest.test", requiretls_enable=False)[0] is Strictness.DISABLE
    assert strictness_at("dest.test", Transport.LMTP)[0] is Strictness.OPPORTUNISTIC


def test_an_action_that_nobody_knows() -> None:
    with pytest.raises(WrongConfiguration, match="unknown policy action: 'always'"):
        open_required_tls(settings_of(smtp_requiretls_policy="always"), lambda text: None)


def test_levels() -> None:
    assert object_to_level(Strictness.ENFORCE, TlsLevel.SECURE, "h") is None
    for level in (TlsLevel.NONE, TlsLevel.MAY, TlsLevel.ENCRYPT):
        complaint = object_to_level(Strictness.ENFORCE, level, "h")
        assert complaint is not None
        assert complaint.status == "5.7.10"
    assert object_to_level(Strictness.STARTTLS, TlsLevel.MAY, "h") is None
    assert object_to_level(Strictness.STARTTLS, TlsLevel.NONE, "h") is not None
    assert object_to_level(Strictness.OPPORTUNISTIC, TlsLevel.NONE, "h") is None
    broken = object_to_level(Strictness.ERROR, TlsLevel.SECURE, "h")
    assert broken is not None
    assert broken.status == "4.7.10"


def send(
    folder: Path,
    *rules: Rule,
    keywords: tuple[str, ...] = (*DEFAULT_KEYWORDS, "REQUIRETLS"),
    certificate: Certificate | None = None,
    tls: bool = True,
    content: bytes = MESSAGE,
    times: int = 1,
    requiretls: bool = True,
    told: list[Event] | None = None,
    **settings: object,
) -> tuple[list[str], list[str], int]:
    """What became of the message, what the server heard, and how many connections there were."""

    async def main() -> tuple[list[str], list[str], int]:
        shown = certificate or ROOT.issue("mx", [NAME])
        anchor = folder / "ca.pem"
        from cryptography.hazmat.primitives.serialization import Encoding

        anchor.write_bytes(ROOT.certificate.public_bytes(Encoding.PEM))
        context = shown.server_context(folder) if tls else None
        options = {
            "smtp_tls_security_level": "secure", "smtp_tls_secure_cert_match": "hostname", "smtp_tls_CAfile": anchor,
        } | settings  # fmt: skip
        async with ScriptedServer(*rules, tls=context, keywords=keywords) as peer:
            async with Scene(routes={"dest.test": [server_of(peer, NAME)]}, **options) as scene:
                said: list[str] = []
                for _ in range(times):
                    request = scene.request("dest.test", content=MemoryMessage(content))
                    envelope = request.envelope._replace(requiretls=requiretls, ret="full")
                    report = await scene.agent.deliver(request._replace(envelope=envelope), scene.keeper)
                    said += brief(report)
                if told is not None:
                    told.extend(scene.events)
            await peer.wait_until_alone()
            return said, [command for session in peer.sessions for command in session.commands], len(peer.sessions)

    return run(main())


def test_a_server_that_proves_itself_and_promises_gets_the_mail_and_the_wish(tmp_path: Path) -> None:
    said, heard, _ = send(tmp_path)
    assert said[0].startswith("sent 2.0.0")
    mail = next(command for command in heard if command.startswith("MAIL"))
    assert mail.endswith(" RET=FULL REQUIRETLS")


def test_nobody_hears_of_it_who_was_not_asked(tmp_path: Path) -> None:
    _, heard, _ = send(tmp_path, requiretls=False)
    assert not [command for command in heard if "REQUIRETLS" in command]


def test_a_server_that_does_not_promise(tmp_path: Path) -> None:
    said, heard, _ = send(tmp_path, keywords=DEFAULT_KEYWORDS)
    assert said[0].startswith("bounced 5.7.30 Sender requested REQUIRETLS, but no server was found that supports REQUIRETLS")
    assert not [command for command in heard if command.startswith("MAIL")]


def test_a_promise_in_clear_is_none(tmp_path: Path) -> None:
    said, heard, _ = send(tmp_path, tls=False, smtp_requiretls_policy="opportunistic", smtp_tls_security_level="may")
    assert said[0].startswith("sent")
    mail = next(command for command in heard if command.startswith("MAIL"))
    assert mail.endswith(" RET=HDRS")


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, "bounced 5.7.30 Sender requested REQUIRETLS, but TLS service was not offered by host"),
        (
            {"smtp_tls_security_level": "may", "smtp_requiretls_policy": "opportunistic+starttls"},
            "bounced 5.7.30 Sender requested REQUIRETLS, but TLS service was not offered by host",
        ),
        ({"smtp_requiretls_policy": "disable"}, "deferred 4.7.4 TLS is required, but was not offered by host"),
    ],
)
def test_no_tls(tmp_path: Path, settings: dict[str, object], wanted: str) -> None:
    assert send(tmp_path, tls=False, **settings)[0][0].startswith(wanted)


def test_tls_refused(tmp_path: Path) -> None:
    said, _, _ = send(tmp_path, Rule(match="^STARTTLS", reply="454 4.7.0 not now"))
    assert said[0].startswith("bounced 5.7.10 Sender requested REQUIRETLS, but host")
    assert said[0].endswith("refused to start TLS: 454 4.7.0 not now")


@pytest.mark.parametrize(
    ("certificate", "word"),
    [(lambda: ROOT.issue("mx", ["other.test"]), "matching"), (lambda: make_root("Stranger").issue("mx", [NAME]), "trusted")],
)
def test_no_proof(tmp_path: Path, certificate: object, word: str) -> None:
    said, _, _ = send(tmp_path, certificate=certificate())  # type: ignore[operator]
    assert said[0].startswith(f"bounced 5.7.10 Sender requested REQUIRETLS, but no {word} server certificate was found.")


def test_a_level_that_proves_nothing(tmp_path: Path) -> None:
    said, _, connections = send(tmp_path, smtp_tls_security_level="may")
    assert said[0].startswith("bounced 5.7.10 Sender requested REQUIRETLS, but my configured TLS security level 'may' disables")
    assert connections == 0
    said, _, _ = send(tmp_path, smtp_tls_security_level="may", smtp_requiretls_policy="opportunistic+starttls")
    assert said[0].startswith("sent")


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, None),
        (
            {"smtp_requiretls_policy": "opportunistic", "keywords": DEFAULT_KEYWORDS},
            "REQUIRETLS support was not offered by host",
        ),
        (
            {"smtp_requiretls_policy": "opportunistic+starttls", "smtp_tls_security_level": "may"},
            "my configured TLS security level 'may' disables certificate matching.",
        ),
        ({"smtp_requiretls_policy": "opportunistic", "smtp_tls_security_level": "may"}, None),
    ],
)
def test_what_is_missing_and_not_demanded_is_in_the_log(tmp_path: Path, settings: dict[str, Any], wanted: str | None) -> None:
    noted: list[Event] = []
    said, _, _ = send(tmp_path, told=noted, **settings)
    assert said[0].startswith("sent")
    texts = [event.text for event in noted if isinstance(event, Noted) and "REQUIRETLS" in event.text]
    assert len(texts) == (wanted is not None)
    assert all(text.startswith(f"Sender requested REQUIRETLS, but {wanted}") for text in texts)


def test_a_connection_of_others_is_not_used(tmp_path: Path) -> None:
    common = {"smtp_connection_cache_destinations": "dest.test", "smtp_tls_connection_reuse": True}
    assert send(tmp_path, times=2, **common)[2] == 1
    assert send(tmp_path, times=2, requiretls=False, **common)[2] == 1


RELAXED = b"Subject: x\r\nTLS-Required: No \r\n\r\ntext\r\n"


@pytest.mark.parameter("tls_required_enable")
def test_mail_that_would_rather_go_in_clear_than_not_go(tmp_path: Path) -> None:
    common = {"tls": False, "requiretls": False, "content": RELAXED}
    assert send(tmp_path, **common)[0][0].startswith("deferred 4.7.4")  # type: ignore[arg-type]
    said, _, _ = send(tmp_path, tls_required_enable=True, **common)  # type: ignore[arg-type]
    assert said[0].startswith("sent")
    stranger = make_root("Stranger").issue("mx", [NAME])
    said, heard, _ = send(
        tmp_path, certificate=stranger, requiretls=False, content=RELAXED, tls_required_enable=True,
        smtp_tls_policy_maps="inline:{dest.test=secure}",
    )  # fmt: skip
    assert said[0].startswith("sent")
    assert "STARTTLS" in heard


def test_requiretls_goes_before_the_header(tmp_path: Path) -> None:
    said, _, _ = send(tmp_path, tls=False, content=RELAXED, tls_required_enable=True)
    assert said[0].startswith("bounced 5.7.30")


@pytest.mark.parametrize(
    ("octets", "wanted"),
    [
        (RELAXED, True),
        (b"tls-required:no\r\n\r\n", True),
        (b"TLS-Required: no", True),
        (b"TLS-Required: yes\r\n\r\n", False),
        (b"TLS-Required: no thanks\r\n\r\n", False),
        (b"X-TLS-Required: no\r\n\r\n", False),
        (b"Subject: a\r\n TLS-Required: no\r\n\r\n", False),
        (b"Subject: a\r\n\r\nTLS-Required: no\r\n", False),
        (b"", False),
        (b"x: " + b"y" * HEADER_LIMIT_OCTETS, False),
    ],
)
def test_the_header(octets: bytes, wanted: bool) -> None:
    assert says_no_tls_required(MemoryMessage(octets)) is wanted
    assert says_no_tls_required(Pieces(*(octets[at : at + 7] for at in range(0, len(octets), 7)))) is wanted


def test_a_header_that_cannot_be_read_says_nothing() -> None:
    assert not says_no_tls_required(Pieces(b"TLS-Required: no\r\n", ContentUnreadable("gone")))
