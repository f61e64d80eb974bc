"""Delivery requests as a real Postfix 3.7.11 has sent them, and as nobody should."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.attributes.plain import MalformedAttributes
from mailrider.postfix.request import (
    MARK_DONE,
    USER_PROBE,
    QueuedRecipient,
    QueueRequest,
    RequestReader,
    encode_request,
    stamp_handed,
)

SAMPLES = Path(__file__).parent / "samples"


def read(octets: bytes, piece_octets: int = 1 << 20) -> QueueRequest:
    reader = RequestReader()
    for start in range(0, len(octets), piece_octets):
        request = reader.feed(octets[start : start + piece_octets])
        if request is not None:
            assert start + piece_octets >= len(octets)
            return request
    raise AssertionError("the request has no end")


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.request").read_bytes()


def test_a_plain_message() -> None:
    request = read(sample("plain"))
    assert request.flags == 3
    assert request.flags & MARK_DONE
    assert not request.probe
    assert (request.queue_name, request.nexthop, request.sender) == ("active", "[192.0.2.1]:25", "me@origin.test")
    assert request.options_name == "smtputf8"
    assert request.client.helo == "injector.origin.test"
    assert [(each.original, each.address, each.notify) for each in request.recipients] == [("a@sink.test", "a@sink.test", 0)]
    assert request.times.arrival_seconds < request.times.active_seconds
    assert request.times.handed_seconds == 0


def test_a_message_for_which_much_was_asked() -> None:
    request = read(sample("asked"))
    assert (request.envid, request.ret, request.encoding, request.options) == ("e+nv", 2, "8bit", 1)
    assert request.recipients[1] == QueuedRecipient("b@sink.test", "b@sink.test", 781, "rfc822;a+b@x.test", 10)


def test_mail_of_this_host_has_no_client() -> None:
    request = read(sample("local"))
    assert set(request.client) == {""}
    assert request.sender == ""
    assert request.rewrite_context == "local"


def test_a_probe() -> None:
    request = read(sample("probe"))
    assert request.probe
    assert request.flags & USER_PROBE


@pytest.mark.parametrize("name", ["plain", "asked", "local", "probe"])
@pytest.mark.parametrize("piece_octets", [1, 7, 100])
def test_a_request_comes_in_pieces(name: str, piece_octets: int) -> None:
    assert read(sample(name), piece_octets) == read(sample(name))


def test_newer_releases_call_an_attribute_otherwise() -> None:
    """From 3.10 on it is `sendopts`, and goes on to another agent under that name."""
    newer = read(sample("plain").replace(b"smtputf8\x000\0", b"sendopts\x0032\0"))
    assert newer.options == 32
    assert b"sendopts\x0032\0" in encode_request(newer, newer.nexthop, newer.recipients[0])


@pytest.mark.parametrize("name", ["plain", "local", "probe"])
def test_a_request_is_passed_on_as_it_came(name: str) -> None:
    octets = sample(name)
    request = read(octets)
    assert encode_request(request, request.nexthop, request.recipients[0]) == octets


def test_the_time_of_the_hand_over_is_set_once() -> None:
    times = read(sample("plain")).times
    stamped = stamp_handed(times, 1_800_000_000.25)
    assert stamped.handed_seconds == 1_800_000_000.25
    assert stamp_handed(stamped, 1_900_000_000.0) == stamped
    request = read(sample("plain"))._replace(times=stamped)
    assert read(encode_request(request, "x", request.recipients[0])).times == stamped


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"queue_name\0active", b"queue_name\0../etc"),
        (b"queue_id\0E", b"queue_id\0/"),
        (b"recipient_count\x001", b"recipient_count\x000"),
        (b"recipient_count\x001", b"recipient_count\x004294967295"),
        (b"recipient_count\x001", b"recipient_count\x00999999"),
        (b"flags\x003", b"flags\0x"),
        (b"time\0", b"time\0AAAA"),
        (b"sender\0", b"sendir\0"),
        (b"rewrite_context\0local\0", b"rewrite_context\0local\0more\0more\0"),
        (b"notify_flags\x000\0", b"notify_flags\x000\0more\0more\0"),
        (b"offset\0", b"offset\x00-"),
    ],
)
def test_what_no_queue_manager_sends(old: bytes, new: bytes) -> None:
    octets = sample("plain")
    assert old in octets
    with pytest.raises(MalformedAttributes):
        read(octets.replace(old, new, 1))


def test_a_list_that_is_too_short() -> None:
    with pytest.raises(MalformedAttributes):
        read(b"flags\x003\0\0")


@given(st.lists(st.sampled_from([b"\0", b"flags", b"3", b"queue_name", b"active", b"\0\0", b"recipient"]), max_size=30))
def test_anything_else_is_refused_or_waited_for(pieces: list[bytes]) -> None:
    reader = RequestReader()
    try:
        assert reader.feed(b"".join(pieces)) is None
    except MalformedAttributes:
        pass
