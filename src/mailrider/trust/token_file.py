"""Files with OAuth 2.0 tokens: JSON objects, one account each, as `sasl-xoauth2` has them too.

===================  ========================================================================================
`access_token`       what is shown to the mail server
`expiry`             when it ends, in seconds since 1970, number or text; absent: nobody knows
`refresh_token`      what a new one is asked for with (RFC 6749 §6); absent: client credentials (§4.4)
`token_endpoint`     the URL where it is asked for
`client_id`          who asks
`client_secret`      what proves it; may be absent
`scope`              what is asked for; may be absent
===================  ========================================================================================

Other keys are kept as they are.  A file is replaced as a whole, by a new one with the same mode that is on stable storage
before the old one goes, so that a refresh token that is good for one use only is never lost half-way.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from dataclasses import dataclass, field
from typing import Any

from mailrider.sasl.secret import Secret

FILE_LIMIT_OCTETS = 65536
"""Tokens of some providers have 4 kB; nothing honest is longer than this."""

TOKEN_LIMIT_CHARACTERS = 16384
"""Four times the longest that is known."""

EXPIRY_LIMIT_SECONDS = 2.0**40
"""The year 36812: more is no time."""


@dataclass(frozen=True, slots=True)
class TokenFile:
    """What a file holds.  `rest` are all its keys and values, for writing it again."""

    access_token: Secret | None
    expiry_seconds: float | None
    refresh_token: Secret | None
    token_endpoint: str
    client_id: str
    client_secret: Secret | None
    scope: str
    rest: dict[str, Any] = field(repr=False)

    def renewed(self, access_token: str, expiry_seconds: float | None, refresh_token: str | None) -> TokenFile:
        """The same account with new tokens; without a new refresh token the old one stays good."""
        rest = dict(self.rest, access_token=access_token)
        if expiry_seconds is None:
            rest.pop("expiry", None)
        else:
            rest["expiry"] = int(expiry_seconds)
        if refresh_token is not None:
            rest["refresh_token"] = refresh_token
        made = parse_tokens(rest)
        assert isinstance(made, TokenFile)
        return made


def is_token(text: object) -> bool:
    """Whether this can be a token: printable ASCII (RFC 6749 appendix A), and not endless."""
    if not isinstance(text, str) or not 0 < len(text) <= TOKEN_LIMIT_CHARACTERS:
        return False
    return text.isascii() and text.isprintable()


def parse_tokens(found: object) -> TokenFile | str:
    """What a JSON value says; as text, what is wrong with it.  No value is ever quoted."""
    if not isinstance(found, dict):
        return "is no JSON object"
    for name in ("access_token", "refresh_token", "client_secret"):
        if found.get(name) and not is_token(found[name]):
            return f"has a {name} that is no token"
    for name in ("token_endpoint", "client_id", "scope"):
        if not isinstance(found.get(name, ""), str):
            return f"has a {name} that is no text"
    try:
        expiry = float(found["expiry"]) if "expiry" in found else None
    except (TypeError, ValueError, OverflowError):
        return "has an expiry that is no number"
    if expiry is not None and not 0 <= expiry < EXPIRY_LIMIT_SECONDS:
        return "has an expiry that is no time"

    def secret(name: str) -> Secret | None:
        return Secret(found[name]) if found.get(name) else None

    return TokenFile(
        access_token=secret("access_token"),
        expiry_seconds=expiry,
        refresh_token=secret("refresh_token"),
        token_endpoint=found.get("token_endpoint", ""),
        client_id=found.get("client_id", ""),
        client_secret=secret("client_secret"),
        scope=found.get("scope", ""),
        rest=found,
    )


def read_tokens(path: str) -> TokenFile | str:
    """The tokens in a file; as text, why there are none."""
    try:
        with open(path, "rb") as file:
            octets = file.read(FILE_LIMIT_OCTETS + 1)
    except (OSError, ValueError) as trouble:
        return f"token file {path} cannot be read: {getattr(trouble, 'strerror', None) or 'not a file name'}"
    if len(octets) > FILE_LIMIT_OCTETS:
        return f"token file {path} has more than {FILE_LIMIT_OCTETS} octets"
    try:
        found = json.loads(octets)
    except (ValueError, RecursionError):
        found = None
    tokens = parse_tokens(found)
    return f"token file {path} {tokens}" if isinstance(tokens, str) else tokens


def write_tokens(path: str, tokens: TokenFile) -> str:
    """Replace a file; what comes back is empty, or says what went wrong.  The old file is there until the new one is whole."""
    folder = os.path.dirname(path)
    temporary = ""
    try:
        before = os.stat(path)
        handle, temporary = tempfile.mkstemp(prefix=".token-", dir=folder)
        with open(handle, "w", encoding="utf-8") as file:
            json.dump(tokens.rest, file, indent=1)
            file.write("\n")
            file.flush()
            os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
            if os.geteuid() == 0:
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.fsync(file.fileno())
        os.replace(temporary, path)
        temporary = ""
        _sync_folder(folder)
    except OSError as trouble:
        return trouble.strerror or "unknown error"
    finally:
        if temporary:
            os.unlink(temporary)
    return ""


def _sync_folder(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
