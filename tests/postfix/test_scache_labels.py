"""The texts under which connections lie in scache(8).  Those of 3.7 are from its log."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.attributes.plain import MalformedAttributes
from mailrider.delivery.shared_cache import Facts, Place
from mailrider.model.tls import TlsLevel
from mailrider.postfix.scache_labels import (
    label_destination,
    label_endpoint,
    read_facts,
    write_destination,
    write_endpoint,
)
from mailrider.smtp.capabilities import Capabilities

PLACE = Place("smtp", "[127.0.0.1]:2625", "[127.0.0.1]:2625", "mx.test", "127.0.0.1", 2625, TlsLevel.MAY)
FACTS = Facts(
    TlsLevel.NONE, 3, 1795379073.0, Capabilities(extended=True, eight_bit_mime=True, pipelining=True), False, "mx.test",
    "127.0.0.1", 2625, True,
)  # fmt: skip

RELEASES = [(3, 6), (3, 7), (3, 8), (3, 10), (3, 11), (3, 12)]


@pytest.mark.parametrize(
    ("release", "found", "saved", "endpoint"),
    [
        ((3, 7), "smtp\n[127.0.0.1]:2625\n", "smtp\n[127.0.0.1]:2625\n", "smtp\n127.0.0.1\n2625\n1\n"),
        ((3, 10), "smtp\n[127.0.0.1]:2625\n", "smtp\n[127.0.0.1]:2625\n", "smtp\n127.0.0.1\n2625\n1\n"),
        (
            (3, 11),
            "smtp\n[127.0.0.1]:2625\n0\n0\n0\n",
            "smtp\n[127.0.0.1]:2625\n1\n0\n0\n",
            "smtp\n127.0.0.1\n2625\n1\n0\n0\n",
        ),
    ],
)
def test_labels(release: tuple[int, int], found: str, saved: str, endpoint: str) -> None:
    assert label_destination(PLACE, release, saving=False) == found
    assert label_destination(PLACE, release, saving=True) == saved
    assert label_endpoint(PLACE, release) == endpoint


def test_labels_where_there_are_passwords() -> None:
    place = PLACE._replace(logs_in=True)
    assert label_endpoint(place, (3, 7)) == "smtp\n[127.0.0.1]:2625\nmx.test\n127.0.0.1\n2625\n1\n"
    assert label_destination(place, (3, 7), saving=False) == "smtp\n[127.0.0.1]:2625\n"
    place = place._replace(sender="", smtputf8=True)
    assert label_destination(place, (3, 12), saving=False) == "smtp\n*\n[127.0.0.1]:2625\n0\n0\n1\n"
    assert label_endpoint(place, (3, 7)).startswith("smtp\n*\n[127")


def test_what_would_look_like_something_else_is_written_as_base64() -> None:
    place = PLACE._replace(sender="a*b", nexthop="x\ny")
    assert label_destination(place, (3, 7), saving=False) == "smtp\nYSpi\neAp5\n"


def test_properties() -> None:
    endpoint = "tls_level=0\nreuse_count=3\nendpoint_features=7\nexpire_time=1795379073\n\n"
    destination = "destination=[127.0.0.1]:2625\nhost_name=mx.test\nhost_addr=127.0.0.1\ndestination_features=4096\n\n"
    assert write_endpoint(FACTS) == endpoint
    assert write_destination(PLACE, FACTS, (3, 7)) == destination
    port = f"host_port={socket.htons(2625)}\n"
    newer = destination.replace("destination_features", f"{port}destination_features")
    assert write_destination(PLACE, FACTS, (3, 8)) == newer
    assert read_facts(endpoint, newer, (3, 8)) == FACTS
    assert read_facts(endpoint, destination, (3, 7)) == FACTS._replace(port=0)
    assert read_facts(endpoint, "", (3, 7)) == FACTS._replace(host="", address="", port=0, is_best_exchanger=False)


offers = st.builds(
    Capabilities,
    extended=st.booleans(),
    eight_bit_mime=st.booleans(),
    pipelining=st.booleans(),
    size=st.booleans(),
    dsn=st.booleans(),
    smtputf8=st.booleans(),
    starttls=st.booleans(),
    announces_auth=st.booleans(),
    xforward=st.frozensets(st.sampled_from(["NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE"])),
)


@given(
    offered=offers,
    reuses=st.integers(0, 2**31 - 1),
    port=st.integers(1, 65535),
    delays_dot=st.booleans(),
    level=st.sampled_from([TlsLevel.NONE, TlsLevel.MAY]),
    release=st.sampled_from(RELEASES),
)
def test_what_is_written_is_read(release: tuple[int, int], port: int, **facts: Any) -> None:
    written = FACTS._replace(port=port, **facts)
    read = read_facts(write_endpoint(written), write_destination(PLACE, written, release), release)
    assert read == (written if release >= (3, 8) else written._replace(port=0))


def test_what_postfix_does_not_keep_is_not_there() -> None:
    facts = FACTS._replace(offered=Capabilities(extended=True, chunking=True, size=True, size_limit_octets=5, name="mx"))
    read = read_facts(write_endpoint(facts), "", (3, 7))
    assert read is not None
    assert read.offered == Capabilities(extended=True, size=True)


def test_a_connection_with_tls_is_none_for_us() -> None:
    endpoint = write_endpoint(FACTS)
    assert read_facts(endpoint.replace("tls_level=0", "tls_level=2"), "", (3, 7)) is None
    assert read_facts(endpoint.replace("tls_level=0", "tls_level=1") + "peer_CN=mx\n\n", "", (3, 7)) is None


@pytest.mark.parametrize(
    ("endpoint", "destination"),
    [
        ("", ""),
        ("\n\n", ""),
        (write_endpoint(FACTS)[:-1], ""),
        (write_endpoint(FACTS).replace("7", "seven"), ""),
        (write_endpoint(FACTS).replace("reuse_count=3", "reuse_count=4294967295"), ""),
        (write_endpoint(FACTS).replace("reuse_count=3\n", ""), ""),
        (write_endpoint(FACTS).replace("tls_level=0", "tls_level=4294967295"), ""),
        (write_endpoint(FACTS), "\n"),
        (write_endpoint(FACTS), write_destination(PLACE, FACTS, (3, 7))),
        (write_endpoint(FACTS), write_destination(PLACE, FACTS, (3, 8)).replace("host_port=", "host_port=9")),
        (write_endpoint(FACTS), write_destination(PLACE, FACTS, (3, 8)).replace("host_addr", "host_address")),
        ("x" * 20_000, ""),
    ],
)
def test_properties_that_make_no_sense(endpoint: str, destination: str) -> None:
    with pytest.raises(MalformedAttributes):
        read_facts(endpoint, destination, (3, 8))


@given(st.text(), st.text(), st.sampled_from(RELEASES))
def test_whatever_is_kept_is_facts_or_an_error(endpoint: str, destination: str, release: tuple[int, int]) -> None:
    for text in (endpoint, write_endpoint(FACTS)):
        try:
            assert read_facts(text, destination, release) is None or text
        except MalformedAttributes:
            pass
