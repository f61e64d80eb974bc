"""Asking a token endpoint for a new access token (RFC 6749 §4.4, §6), over HTTPS with `httpx`: the extra `mailrider[oauth]`.

The endpoint is not trusted further than its certificate reaches: it has a time limit as a whole, its answer is bounded,
redirects are not followed, compressed answers are refused, and what it gives is looked at before it is used.  What goes
wrong comes back as one sentence, in which no secret stands.

Known fault: proxies of the environment are not used.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
import ssl
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from mailrider.trust.token_file import TokenFile, is_token

if TYPE_CHECKING:
    import httpx

ANSWER_LIMIT_OCTETS = 65536
"""Real answers have up to 8 kB."""

LIFETIME_LIMIT_SECONDS = 10 * 365 * 86400
"""A longer life is not believed."""

SHOWN_CHARACTERS = 100

_ERROR = re.compile(r"[^ -~]")


class EndpointTerms(NamedTuple):
    """How endpoints are spoken to.

    `ca_file` holds the authorities whose certificates count, in place of the system's where it is not empty.
    `allows_clear_loopback`: `http` is fine for an endpoint on this machine.
    """

    ca_file: str = ""
    timeout_seconds: float = 30.0
    allows_clear_loopback: bool = False


class NewTokens(NamedTuple):
    """What an endpoint gave.  `lifetime_seconds` is None where it does not say, `refresh_token` where the old one stays."""

    access_token: str
    lifetime_seconds: float | None
    refresh_token: str | None

    def __repr__(self) -> str:
        return "NewTokens(***)"


async def ask_for_tokens(tokens: TokenFile, terms: EndpointTerms) -> NewTokens | str:
    """New tokens for an account; as text, why there are none."""
    url = tokens.token_endpoint
    if (objection := object_to_url(url, terms)) is not None:
        return objection
    place = show_endpoint(url)
    try:
        import httpx  # large, and only those who have tokens need it
    except ImportError:
        return "a new access token needs the package httpx: pip install mailrider[oauth]"
    try:
        async with asyncio.timeout(terms.timeout_seconds):
            status, answer = await _post(httpx, url, _make_form(tokens), terms)
    except TimeoutError:
        return f"token endpoint {place} did not answer in time"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as trouble:
        return f"token endpoint {place} cannot be reached: {_clean(str(trouble) or type(trouble).__name__)}"
    if answer is None:
        return f"token endpoint {place} gave an answer of more than {ANSWER_LIMIT_OCTETS} octets, or a compressed one"
    return read_answer(status, answer, place)


def object_to_url(url: str, terms: EndpointTerms) -> str | None:
    """What is wrong with an endpoint, or None."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        host, parts = "", urlsplit("")
    if not host:
        return "the token file names no token_endpoint to renew the access token"
    if parts.scheme == "https":
        return None
    if parts.scheme == "http" and terms.allows_clear_loopback and is_loopback(host):
        return None
    return f"token endpoint {show_endpoint(url)} is not https"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def show_endpoint(url: str) -> str:
    """The endpoint without what might be secret in it: user, query, fragment."""
    parts = urlsplit(url)
    return _clean(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")


def _make_form(tokens: TokenFile) -> dict[str, str]:
    form = {"client_id": tokens.client_id}
    if tokens.refresh_token is not None:
        form |= {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token.text}
    else:
        form["grant_type"] = "client_credentials"
    if tokens.client_secret is not None:
        form["client_secret"] = tokens.client_secret.text
    if tokens.scope:
        form["scope"] = tokens.scope
    return form


async def _post(http: Any, url: str, form: dict[str, str], terms: EndpointTerms) -> tuple[int, bytes | None]:
    """Status and body; no body where it is too long or compressed."""
    context = ssl.create_default_context(cafile=terms.ca_file or None)
    client: httpx.AsyncClient = http.AsyncClient(
        verify=context, timeout=terms.timeout_seconds, follow_redirects=False, trust_env=False
    )
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    async with client, client.stream("POST", url, data=form, headers=headers) as response:
        if response.headers.get("content-encoding", "identity") != "identity":
            return response.status_code, None
        body = bytearray()
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > ANSWER_LIMIT_OCTETS:
                return response.status_code, None
        return response.status_code, bytes(body)


def read_answer(status: int, answer: bytes, place: str) -> NewTokens | str:
    """What an answer says (RFC 6749 §5); `place` is the endpoint, for the sentence where it says no."""
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        found = None
    if status != 200:
        error = found.get("error") if isinstance(found, dict) else None
        said = error if isinstance(error, str) and error else f"status {status}"
        return f"token endpoint {place} said: {_clean(said)}"
    if not isinstance(found, dict) or not is_token(found.get("access_token")):
        return f"token endpoint {place} gave no access token"
    refresh = found.get("refresh_token")
    if refresh is not None and not is_token(refresh):
        return f"token endpoint {place} gave a refresh token that is none"
    try:
        lifetime = float(found["expires_in"]) if found.get("expires_in") is not None else None
    except (TypeError, ValueError, OverflowError):
        lifetime = -1.0
    if lifetime is not None and not 0 < lifetime <= LIFETIME_LIMIT_SECONDS:
        return f"token endpoint {place} gave an access token without a life"
    return NewTokens(found["access_token"], lifetime, refresh)


def _clean(text: str) -> str:
    return _ERROR.sub("?", text)[:SHOWN_CHARACTERS]
