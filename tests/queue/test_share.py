"""Whose mail is whose among the workers of a node."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from yard import Fixed

from mailrider.queue.routing import Router, RoutingTerms
from mailrider.queue.share import Part, WorkShare, choose_worker


def make_shares(
    workers: int, *, relayhost: str = "", transport_maps: dict[str, str] | None = None,
    relayhost_maps: dict[str, str] | None = None, is_whole: Callable[[str], bool] = lambda transport: False,
) -> list[WorkShare]:  # fmt: skip
    terms = RoutingTerms(
        is_local=lambda domain: False,
        is_relay=lambda domain: False,
        is_virtual=lambda domain: False,
        transport_maps=Fixed(transport_maps or {}),
        relayhost_maps=Fixed(relayhost_maps or {}),
        default_transport_maps=Fixed(),
        host_name="here.example",
        relayhost=relayhost,
    )
    return [WorkShare(Router(terms), is_whole, Part(number, workers)) for number in range(workers)]


def owners(shares: list[WorkShare], address: str, sender: str = "a@here.example") -> list[int]:
    domain = address.rpartition("@")[2].lower() if "@" in address else ""
    return [
        number
        for number, share in enumerate(shares)
        if (share.has_recipient(sender, address) if (known := share.has_domain(domain)) is None else known)
    ]


@given(st.text(max_size=20), st.integers(1, 9))
def test_every_recipient_has_one_owner(address: str, workers: int) -> None:
    assert len(owners(make_shares(workers), address)) == 1
    assert len(owners(make_shares(workers, transport_maps={"*": "slow:"}), address)) == 1


def test_who_owns_what_is_the_same_everywhere_and_always() -> None:
    """The workers of a node that is updated while it runs must agree with each other."""
    assert [choose_worker(f"smtp:{name}.example", 4) for name in "abcdefgh"] == [2, 3, 0, 1, 2, 3, 0, 1]


def test_the_case_of_a_domain_makes_no_difference() -> None:
    shares = make_shares(7)
    assert owners(shares, "b@Dest.Example") == owners(shares, "c@dest.example")


def test_mail_for_one_relay_is_for_one_worker() -> None:
    shares = make_shares(4, relayhost="[relay.example]")
    assert len({owners(shares, f"b@dest{number}.example")[0] for number in range(40)}) == 1


def test_destinations_are_spread() -> None:
    shares = make_shares(4)
    assert {owners(shares, f"b@dest{number}.example")[0] for number in range(40)} == {0, 1, 2, 3}


def test_a_transport_with_a_limit_of_its_own_is_for_one_worker() -> None:
    shares = make_shares(4, is_whole=lambda transport: transport == "smtp")
    assert len({owners(shares, f"b@dest{number}.example")[0] for number in range(40)}) == 1


def test_where_the_address_decides_it_is_asked_for() -> None:
    shares = make_shares(4, transport_maps={f"b{number}@dest.example": f"smtp:[relay{number}]" for number in range(40)})
    assert shares[0].has_domain("dest.example") is None
    assert {owners(shares, f"b{number}@dest.example")[0] for number in range(40)} == {0, 1, 2, 3}


def test_where_the_sender_decides_he_is_asked_for() -> None:
    shares = make_shares(4, relayhost_maps={f"a{number}@here.example": f"[relay{number}]" for number in range(40)})
    assert shares[0].has_domain("dest.example") is None
    assert {owners(shares, "b@dest.example", f"a{number}@here.example")[0] for number in range(40)} == {0, 1, 2, 3}
