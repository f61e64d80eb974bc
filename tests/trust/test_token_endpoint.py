"""An HTTPS endpoint of our own, which hangs, lies, babbles and redirects."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.trust.token_endpoint import (
    ANSWER_LIMIT_OCTETS,
    EndpointTerms,
    NewTokens,
    ask_for_tokens,
    is_loopback,
    object_to_url,
    read_answer,
    show_endpoint,
)
from mailrider.trust.token_file import TokenFile, parse_tokens
from virtual_time import run

from .endpoint import Endpoint, certificates, reply

pytest.importorskip("httpx", reason="httpx is not installed (mailrider[oauth])")

ACCOUNT = {"client_id": "me", "client_secret": "CS-1", "refresh_token": "RT-1", "scope": "mail"}
GOOD = {"access_token": "AT-2", "expires_in": 3600, "refresh_token": "RT-2", "token_type": "Bearer"}


def ask(endpoint: Endpoint, account: dict[str, Any] = ACCOUNT, **terms: Any) -> NewTokens | str:
    terms.setdefault("ca_file", certificates()[0])

    async def main() -> NewTokens | str:
        async with endpoint:
            tokens = parse_tokens({"token_endpoint": endpoint.url} | account)
            assert isinstance(tokens, TokenFile)
            return await ask_for_tokens(tokens, EndpointTerms(**terms))

    return run(main())


def test_a_refresh_token_is_exchanged() -> None:
    endpoint = Endpoint(GOOD)
    assert ask(endpoint) == NewTokens("AT-2", 3600.0, "RT-2")
    assert endpoint.forms == [ACCOUNT | {"grant_type": "refresh_token"}]


def test_without_one_the_client_asks_for_itself() -> None:
    endpoint = Endpoint({"access_token": "AT-2", "expires_in": "3600"})
    assert ask(endpoint, {"client_id": "me", "client_secret": "CS-1"}) == NewTokens("AT-2", 3600.0, None)
    assert endpoint.forms == [{"grant_type": "client_credentials", "client_id": "me", "client_secret": "CS-1"}]


def test_new_tokens_do_not_show() -> None:
    assert repr(NewTokens("AT-2", 1.0, "RT-2")) == "NewTokens(***)"


REFUSALS: list[tuple[Any, str]] = [
    (reply({"error": "invalid_grant", "error_description": "RT-1"}, 400), "said: invalid_grant"),
    (reply({"error": "a\nb\x1b"}, 400), "said: a?b?"),
    (reply(b"<html>", 500), "said: status 500"),
    (reply({"error": ["x"]}, 401), "said: status 401"),
    (reply(GOOD, 302, "Location: https://127.0.0.1/elsewhere\r\n"), "said: status 302"),
    (reply(b"no json"), "gave no access token"),
    ([], "gave no access token"),
    ({"access_token": "a\x01b", "expires_in": 1}, "gave no access token"),
    ({"access_token": 7}, "gave no access token"),
    (GOOD | {"refresh_token": "a\r\nb"}, "gave a refresh token that is none"),
    (GOOD | {"expires_in": -1}, "gave an access token without a life"),
    (GOOD | {"expires_in": "long"}, "gave an access token without a life"),
    (GOOD | {"expires_in": 1e300}, "gave an access token without a life"),
    (reply(b"x" * (ANSWER_LIMIT_OCTETS + 1)), "gave an answer of more than"),
    (reply(gzip.compress(b"x" * 10_000_000), 200, "Content-Encoding: gzip\r\n"), "or a compressed one"),
    (b"garbage\r\n\r\n", "cannot be reached"),
    (b"", "cannot be reached"),
    (None, "did not answer in time"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", "cannot be reached"),
]


@pytest.mark.parametrize(("answer", "said"), REFUSALS)
def test_what_an_endpoint_may_do_instead(answer: Any, said: str) -> None:
    reason = ask(Endpoint(answer))
    assert isinstance(reason, str)
    assert said in reason
    assert "\n" not in reason
    for secret in ("RT-1", "CS-1", "AT-2"):
        assert secret not in reason


def test_an_endpoint_must_be_known_to_an_authority() -> None:
    endpoint = Endpoint(GOOD)
    reason = ask(endpoint, ca_file="")
    assert isinstance(reason, str)
    assert "cannot be reached" in reason
    assert not endpoint.forms


def test_an_authority_that_cannot_be_read_is_told() -> None:
    reason = ask(Endpoint(GOOD), ca_file="/nowhere.pem")
    assert isinstance(reason, str)
    assert "cannot be reached" in reason


def test_clear_text_is_for_this_machine_and_where_it_is_allowed() -> None:
    clear = Endpoint(GOOD, secure=False)
    assert ask(clear, allows_clear_loopback=True) == NewTokens("AT-2", 3600.0, "RT-2")
    reason = ask(Endpoint(GOOD, secure=False))
    assert isinstance(reason, str)
    assert reason.endswith("/token is not https")
    allowed = EndpointTerms(allows_clear_loopback=True)
    assert object_to_url("http://login.example/token", allowed) == "token endpoint http://login.example/token is not https"
    assert object_to_url("http://localhost:1/x", allowed) is None
    assert object_to_url("ftp://localhost/x", allowed) is not None


@pytest.mark.parametrize("url", ["", "login.example", "https://", "https://[::1", "/path"])
def test_an_endpoint_needs_a_host(url: str) -> None:
    assert object_to_url(url, EndpointTerms()) == "the token file names no token_endpoint to renew the access token"


def test_an_endpoint_is_shown_without_what_may_be_secret() -> None:
    assert show_endpoint("https://u:p@login.example:1/token?key=s#f") == "https://login.example:1/token"


def test_what_this_machine_is() -> None:
    hosts = ("localhost", "127.9.9.9", "::1", "10.0.0.1", "example.test")
    assert [host for host in hosts if is_loopback(host)] == ["localhost", "127.9.9.9", "::1"]


@given(st.integers(100, 599), st.binary(max_size=200))
def test_no_answer_breaks_it(status: int, answer: bytes) -> None:
    found = read_answer(status, answer, "https://login.example/token")
    assert isinstance(found, str)
    assert found.isascii()
