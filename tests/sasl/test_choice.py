from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.sasl import choice, ntlm
from mailrider.sasl.choice import KINDS, NoMechanism, Rules, choose_mechanism, read_offer
from mailrider.sasl.mechanism import ChannelBinding, Identity
from mailrider.sasl.secret import Secret
from mailrider.settings.catalogue.login import EXTRA_MECHANISMS, SECURITY_OPTIONS

USER = Identity("user", Secret("secret"))
IN_TLS = Identity("user", Secret("secret"), bindings=(ChannelBinding("tls-exporter", b"x"), ChannelBinding("other", b"y")))
SCRAMS = ["SCRAM-SHA-512", "SCRAM-SHA-384", "SCRAM-SHA-256", "SCRAM-SHA-224", "SCRAM-SHA-1"]
OFFER = [*SCRAMS, "DIGEST-MD5", "CRAM-MD5", "NTLM", "PLAIN", "LOGIN", "ANONYMOUS"]


@pytest.fixture(autouse=True)
def _everything_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice.ntlm, "is_there", lambda: True)
    monkeypatch.setattr(choice.kerberos, "is_there", lambda: True)


def chosen(offered: Sequence[str], demands: str = "", allowed: str = "", who: Identity = USER, token: bool = False) -> str:
    rules = Rules(frozenset(demands.split()), frozenset(allowed.split()))
    mechanism = choose_mechanism(offered, rules, who, has_token=token)
    return mechanism.reason if isinstance(mechanism, NoMechanism) else mechanism.name


def order(demands: str, offered: Sequence[str] = OFFER, **more: str) -> list[str]:
    """Which is taken, which when that is not offered, and so on."""
    rest, found = list(offered), []
    while (name := chosen(rest, demands, **more)) in rest:
        found.append(name)
        rest.remove(name)
    return found


@pytest.mark.parametrize(
    ("demands", "expected"),
    [
        ("", [*SCRAMS, "DIGEST-MD5", "CRAM-MD5", "NTLM", "PLAIN", "LOGIN", "ANONYMOUS"]),
        ("noanonymous", [*SCRAMS, "DIGEST-MD5", "CRAM-MD5", "NTLM", "PLAIN", "LOGIN"]),
        ("noplaintext", [*SCRAMS, "DIGEST-MD5", "CRAM-MD5", "NTLM", "ANONYMOUS"]),
        ("noplaintext noanonymous", [*SCRAMS, "DIGEST-MD5", "CRAM-MD5", "NTLM"]),
        ("noactive", SCRAMS),
        ("nodictionary", []),
        ("mutual_auth", [*SCRAMS, "DIGEST-MD5"]),
        ("forward_secrecy", []),
    ],
)
def test_the_order_is_that_of_cyrus_sasl(demands: str, expected: list[str]) -> None:
    """Measured: libsasl2 2.1.28 with Debian's modules, each time without what was taken before."""
    assert order(demands) == expected
    assert order(demands, OFFER[::-1]) == expected


@pytest.mark.parametrize("name", OFFER)
def test_external_that_is_not_allowed_spoils_what_is_weaker(name: str) -> None:
    """Measured, too."""
    stronger = name.startswith("SCRAM") or name == "DIGEST-MD5"
    assert chosen(["EXTERNAL", name]) == (name if stronger else "no mechanism available")
    assert chosen(["EXTERNAL", name], allowed="external") == (name if stronger else "EXTERNAL")


def test_why_external_is_in_the_way_is_told() -> None:
    found = choose_mechanism(["EXTERNAL", "PLAIN"], Rules(), USER)
    assert isinstance(found, NoMechanism)
    assert "smtp_sasl_extra_mechanisms" in found.warnings[0]


def test_extra_mechanisms_are_for_those_who_name_them() -> None:
    for name in ("GSSAPI", "OAUTHBEARER", "XOAUTH2"):
        assert chosen([name]) == "no mechanism available"
        assert chosen([name], allowed=name.lower()) == name
        assert chosen([name, "PLAIN"]) == "PLAIN"
    everything = " ".join(EXTRA_MECHANISMS)
    assert chosen(["GSSAPI", *OFFER], allowed=everything) == "GSSAPI"
    assert chosen(["XOAUTH2", "OAUTHBEARER", "LOGIN"], allowed=everything) == "LOGIN"
    assert chosen(["XOAUTH2", "OAUTHBEARER"], allowed=everything) == "OAUTHBEARER"


def test_a_token_is_never_shown_as_a_password() -> None:
    offered = [*OFFER, "EXTERNAL", "XOAUTH2"]
    assert chosen(offered, allowed="xoauth2 external", token=True) == "XOAUTH2"
    assert chosen(OFFER, allowed="xoauth2", token=True) == "no mechanism available"
    assert chosen(offered, "noplaintext", allowed="xoauth2", token=True) == "no mechanism available"


def test_channel_binding_is_preferred_where_there_is_a_channel() -> None:
    offered = ["SCRAM-SHA-512", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "PLAIN"]
    assert chosen(offered) == "SCRAM-SHA-512"
    assert chosen(offered, who=IN_TLS) == "SCRAM-SHA-256-PLUS"
    mechanism = choose_mechanism(offered, Rules(), IN_TLS)
    assert not isinstance(mechanism, NoMechanism)
    first = mechanism.begin()
    assert first is not None
    assert first.startswith(b"p=tls-exporter,,n=user,r=")
    assert chosen(["SCRAM-SHA-1-PLUS"]) == "no mechanism available"


def test_what_has_no_library_is_passed_over_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ntlm, "is_there", lambda: False)
    assert chosen(["NTLM", "PLAIN"]) == "PLAIN"
    found = choose_mechanism(["NTLM"], Rules(), USER)
    assert isinstance(found, NoMechanism)
    assert found.warnings[0] == "SASL mechanism NTLM needs the package pyspnego: pip install mailrider[ntlm]"


def test_the_offer_is_read_as_cyrus_sasl_reads_it() -> None:
    assert read_offer(["plain", "AUTH=LOGIN", "A,B", "CRAM-MD5"]) == {"PLAIN", "AUTH", "LOGIN", "A", "B", "CRAM-MD5"}
    assert read_offer([]) == frozenset()


@given(
    st.lists(st.sampled_from([kind.name for kind in KINDS] + ["X-FOO"])),
    st.sets(st.sampled_from(SECURITY_OPTIONS)),
    st.sets(st.sampled_from(EXTRA_MECHANISMS)),
    st.booleans(),
)
def test_what_is_chosen_was_offered_and_is_as_demanded(
    offered: list[str], demands: set[str], allowed: set[str], token: bool
) -> None:
    name = chosen(offered, " ".join(demands), " ".join(allowed), IN_TLS, token)
    if name == "no mechanism available":
        return
    kind = next(kind for kind in KINDS if kind.name == name)
    assert name in offered
    assert demands <= kind.properties
    assert kind.takes_token or not token
    assert not kind.is_extra or name.lower() in allowed


def test_every_kind_makes_what_it_says() -> None:
    for kind in KINDS:
        assert kind.make(IN_TLS).name == kind.name
