"""Fetching an MTA-STS policy over HTTPS (RFC 8461 §3.3) with `httpx`: the extra `mailrider[mta-sts]`.

The policy of `example.com` is at `https://mta-sts.example.com/.well-known/mta-sts.txt`.  The host is found through our own name
servers; its certificate must be good for that name, as a DNS name in its subjectAltName, under the authorities of the system or
of a file in their place.  Nothing else is taken: no redirect, no other status than 200, no other media type than text/plain, no
compression, no more than 64 kB, and all of it within one time limit.

What goes wrong comes back as a `NotFetched`: a sentence, and the word that TLS reports have for it (RFC 8460 §4.3.2.2).

Known fault: a certificate that was revoked is not known to be.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mailrider.trust.mta_sts import POLICY_LIMIT_OCTETS, StsPolicy, parse_policy

if TYPE_CHECKING:
    import httpx

HTTPS_PORT = 443

ADDRESSES_LIMIT = 4
"""Addresses of a policy host that are tried, within the one time limit."""

SHOWN_CHARACTERS = 120

FETCH_ERROR = "sts-policy-fetch-error"
POLICY_INVALID = "sts-policy-invalid"
CERTIFICATE_INVALID = "sts-webpki-invalid"
"""Words of RFC 8460."""

MISSING_PACKAGE = "it needs the package httpx: pip install mailrider[mta-sts]"

_UNPRINTABLE = re.compile(r"[^ -~]")


class FetchTerms(NamedTuple):
    """How policy hosts are spoken to.

    `ca_file` holds the authorities whose certificates count, in place of the system's where it is not empty.
    """

    ca_file: str = ""
    timeout_seconds: float = 30.0
    port: int = HTTPS_PORT


class Fetched(NamedTuple):
    """A policy, and its text as it came."""

    policy: StsPolicy
    octets: bytes


class NotFetched(NamedTuple):
    """Why there is none: a sentence without a full stop, and the word of RFC 8460."""

    text: str
    result: str


class _Refused(Exception):
    """The answer is not one that counts; the text completes `its host`."""


def find_missing_package() -> str:
    """Why no policy can be fetched here at all, or empty: for a start, so that nobody finds out by the first mail."""
    from importlib.util import find_spec

    return "" if find_spec("httpx") is not None else MISSING_PACKAGE


def policy_host(domain: str) -> str:
    """Where the policy of a domain lies."""
    return f"mta-sts.{domain}"


async def fetch_policy(domain: str, addresses: Sequence[str], terms: FetchTerms) -> Fetched | NotFetched:
    """The policy of `domain` (A-labels) from the first of `addresses` that answers."""
    host = policy_host(domain)
    if not addresses:
        return NotFetched(f"{host} has no address", FETCH_ERROR)
    try:
        import httpx  # large, and only those who use MTA-STS need it
    except ImportError:
        return NotFetched(MISSING_PACKAGE, FETCH_ERROR)
    try:
        context = _make_context(terms.ca_file)
    except OSError as trouble:
        return NotFetched(f"the authorities cannot be read from {terms.ca_file}: {_clean(trouble)}", FETCH_ERROR)
    try:
        async with asyncio.timeout(terms.timeout_seconds):
            octets = await _get_from_any(httpx, host, addresses[:ADDRESSES_LIMIT], terms, context)
    except TimeoutError:
        return NotFetched(f"{host} did not answer in time", FETCH_ERROR)
    except _Refused as refused:
        return NotFetched(f"{host} {refused}", FETCH_ERROR)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as trouble:
        if (objection := _find_objection(trouble)) is not None:
            return NotFetched(f"{host} has a certificate that does not count: {_clean(objection)}", CERTIFICATE_INVALID)
        return NotFetched(f"{host} cannot be reached: {_clean(trouble)}", FETCH_ERROR)
    policy = parse_policy(octets)
    if isinstance(policy, str):
        return NotFetched(f"{host} has something that is no policy: {policy}", POLICY_INVALID)
    return Fetched(policy, octets)


def _make_context(ca_file: str) -> ssl.SSLContext:
    """TLS as RFC 8461 §3.3 wants it.  Raises `OSError`."""
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    return context


async def _get_from_any(
    http: Any, host: str, addresses: Sequence[str], terms: FetchTerms, context: ssl.SSLContext
) -> bytes:
    """The answer of the first address that takes the connection."""
    for address in addresses[:-1]:
        try:
            return await _get(http, host, address, terms, context)
        except (http.ConnectError, http.ConnectTimeout) as trouble:
            if _find_objection(trouble) is not None:
                raise
    return await _get(http, host, addresses[-1], terms, context)


async def _get(http: Any, host: str, address: str, terms: FetchTerms, context: ssl.SSLContext) -> bytes:
    client: httpx.AsyncClient = http.AsyncClient(
        verify=context, timeout=terms.timeout_seconds, follow_redirects=False, trust_env=False
    )
    place = f"[{address}]" if ":" in address else address
    url = f"https://{place}:{terms.port}/.well-known/mta-sts.txt"
    headers = {
        "Host": host if terms.port == HTTPS_PORT else f"{host}:{terms.port}",
        "Accept": "text/plain",
        "Accept-Encoding": "identity",
        "Cache-Control": "no-cache",
    }
    asked = client.stream("GET", url, headers=headers, extensions={"sni_hostname": host})
    async with client, asked as response:
        _check(response.status_code, response.headers)
        body = bytearray()
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > POLICY_LIMIT_OCTETS:
                raise _Refused(f"sent more than {POLICY_LIMIT_OCTETS} octets")
        return bytes(body)


def _check(status: int, headers: Any) -> None:
    """Raises `_Refused` for an answer whose body does not count."""
    if 300 <= status < 400:
        raise _Refused(f"answered with a redirect ({status}), which is not followed")
    if status != 200:
        raise _Refused(f"answered with status {status}")
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "text/plain":
        raise _Refused(f'sent something of type "{_clean(media_type)}" instead of text/plain')
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise _Refused("sent a compressed answer")


def _find_objection(trouble: BaseException) -> str | None:
    """What was wrong with a certificate, if that was the trouble."""
    for cause in _causes(trouble):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
    return None


def _causes(trouble: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while trouble is not None and id(trouble) not in seen:
        seen.add(id(trouble))
        yield trouble
        trouble = trouble.__cause__ or trouble.__context__


def _clean(text: object) -> str:
    shown = str(text) or type(text).__name__
    return _UNPRINTABLE.sub("?", shown)[:SHOWN_CHARACTERS]
