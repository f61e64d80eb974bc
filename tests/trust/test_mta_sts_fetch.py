"""Policy hosts: good ones, hanging ones, those with the wrong certificate, redirects, 10 MB, and garbage."""

from __future__ import annotations

import gzip
import ssl

import pytest

from mailrider.trust.mta_sts_fetch import (
    CERTIFICATE_INVALID,
    FETCH_ERROR,
    POLICY_INVALID,
    Fetched,
    FetchTerms,
    NotFetched,
    fetch_policy,
)
from trust.policy_host import DOMAIN, ENFORCE, PolicyHost, authority_file, context_for, page
from virtual_time import run

pytest.importorskip("httpx", reason="httpx is not installed: pip install mailrider[mta-sts]")


def fetch(
    *answers: bytes | None, context: ssl.SSLContext | None = None, addresses: tuple[str, ...] = ("127.0.0.1",)
) -> tuple[Fetched | NotFetched, list[str]]:
    async def main() -> tuple[Fetched | NotFetched, list[str]]:
        async with PolicyHost(*answers, context=context) as host:
            return await fetch_policy(DOMAIN, addresses, host.terms), host.heads

    return run(main())


def why_not(*answers: bytes | None, context: ssl.SSLContext | None = None) -> NotFetched:
    found, _ = fetch(*answers, context=context)
    assert isinstance(found, NotFetched)
    assert found.text.isprintable()
    return found


def test_a_policy_is_fetched_by_its_name_and_without_anything_that_could_be_cached() -> None:
    found, heads = fetch()
    assert isinstance(found, Fetched)
    assert found.octets == ENFORCE
    assert found.policy.mx == ("mx1.dest.test", "*.mail.test")
    assert heads[0].startswith("GET /.well-known/mta-sts.txt HTTP/1.1\r\n")
    assert f"\r\nHost: mta-sts.{DOMAIN}:" in heads[0]
    assert "\r\nAccept-Encoding: identity\r\n" in heads[0]


def test_an_address_where_nobody_is_does_not_matter_while_there_is_another() -> None:
    found, _ = fetch(addresses=("127.0.0.2", "127.0.0.1"))
    assert isinstance(found, Fetched)


def test_a_redirect_is_not_followed() -> None:
    said, heads = fetch(page(status=301, headers="Location: https://mta-sts.dest.test/other\r\n"))
    assert isinstance(said, NotFetched)
    assert said.result == FETCH_ERROR
    assert "redirect" in said.text
    assert len(heads) == 1


@pytest.mark.parametrize("status", [201, 204, 206, 403, 404, 500, 503])
def test_only_200_will_do(status: int) -> None:
    said = why_not(page(status=status))
    assert said.result == FETCH_ERROR
    assert str(status) in said.text


def test_a_policy_of_10_megabytes_is_let_go_after_64_kilobytes() -> None:
    said = why_not(page(b"x: " + b"y" * 10_000_000))
    assert said.result == FETCH_ERROR
    assert "65536 octets" in said.text


def test_endless_headers_come_to_an_end() -> None:
    said = why_not(b"HTTP/1.1 200 OK\r\n" + b"X-Y: " + b"z" * 10_000_000)
    assert said.result == FETCH_ERROR


@pytest.mark.parametrize("media_type", ["text/html", "application/octet-stream", "text/plainer", ""])
def test_another_media_type_may_be_what_a_stranger_has_put_there(media_type: str) -> None:
    assert "text/plain" in why_not(page(media_type=media_type)).text


def test_parameters_of_the_media_type_do_not_matter() -> None:
    found, _ = fetch(page(media_type="Text/Plain; charset=utf-8"))
    assert isinstance(found, Fetched)


def test_a_compressed_policy_might_be_a_bomb() -> None:
    said = why_not(page(gzip.compress(ENFORCE), headers="Content-Encoding: gzip\r\n"))
    assert "compressed" in said.text


@pytest.mark.parametrize(
    "octets", [b"\x00" * 1000, b"", b"HTTP/1.1\r\n\r\n", b"220 smtp.test ESMTP\r\n", b"HTTP/1.1 200 OK\r\n\r"]
)
def test_what_is_not_http(octets: bytes) -> None:
    assert why_not(octets).result == FETCH_ERROR


def test_a_page_that_is_no_policy() -> None:
    assert why_not(page(b"<html>")).result == POLICY_INVALID


def test_a_host_that_hangs_costs_the_time_limit_and_no_more() -> None:
    said = why_not(None)
    assert said == NotFetched(f"mta-sts.{DOMAIN} did not answer in time", FETCH_ERROR)


def test_nobody_there() -> None:
    async def main() -> Fetched | NotFetched:
        return await fetch_policy(DOMAIN, ["127.0.0.1"], FetchTerms(authority_file(), 30.0, 1))

    said = run(main())
    assert isinstance(said, NotFetched)
    assert said.result == FETCH_ERROR
    assert "cannot be reached" in said.text


def test_no_address() -> None:
    said, _ = fetch(addresses=())
    assert said == NotFetched(f"mta-sts.{DOMAIN} has no address", FETCH_ERROR)


@pytest.mark.parametrize(
    "context",
    [
        pytest.param(lambda: context_for("other.test"), id="another name"),
        pytest.param(lambda: context_for(DOMAIN), id="the domain itself"),
        pytest.param(lambda: context_for(f"*.sub.{DOMAIN}"), id="a star too deep"),
        pytest.param(lambda: context_for(f"mta-sts.{DOMAIN}", ends_days=-5.0), id="expired"),
        pytest.param(lambda: context_for(f"mta-sts.{DOMAIN}", by_stranger=True), id="of a stranger"),
        pytest.param(lambda: context_for(), id="no DNS name at all"),
    ],
)
def test_certificates_that_do_not_count(context: object) -> None:
    said = why_not(context=context())  # type: ignore[operator]
    assert said.result == CERTIFICATE_INVALID


def test_a_star_stands_for_one_label() -> None:
    found, _ = fetch(context=context_for(f"*.{DOMAIN}"))
    assert isinstance(found, Fetched)


def test_authorities_that_cannot_be_read() -> None:
    async def main() -> Fetched | NotFetched:
        return await fetch_policy(DOMAIN, ["127.0.0.1"], FetchTerms("/nowhere/ca.pem"))

    said = run(main())
    assert isinstance(said, NotFetched)
    assert "/nowhere/ca.pem" in said.text
