"""Keeps what was judged about the TLS of destinations until reports are made of it, and passes it on to a collector.

*The journal* is a folder with a file per day (UTC), one JSON line per session, which any number of processes add to: a line is
written by one call in append mode.  A day that has reached its limit takes no more, and days that are older than a month go.

*The collector* is a process behind a datagram socket that speaks the protocol of libtlsrpt, as for Postfix
(`smtp_tlsrpt_enable`, `smtp_tlsrpt_socket_name`): one JSON object per datagram, sent without waiting.

Neither ever disturbs the mail: what cannot be written or sent is warned of once and dropped.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mailrider.events import TlsJudged
from mailrider.resolver.hostname import is_valid_hostname

DAY_LIMIT_OCTETS = 64 * 1024 * 1024
"""About 100,000 sessions with destinations that want reports."""

DAYS_KEPT = 31

LINE_LIMIT_OCTETS = 128 * 1024
"""A policy has 64 kB at most."""

_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})\.jsonl", re.ASCII)
_DATED = re.compile(r"\d{4}-\d{2}-\d{2}\.(jsonl|.+\.(sent|offered))\Z", re.ASCII)

_POLICY_CODES = {"tlsa": 1, "sts": 2, "no-policy-found": 9}
_FAILURE_CODES = {
    "starttls-not-supported": 201, "certificate-host-mismatch": 202, "certificate-not-trusted": 203, "certificate-expired": 204,
    "validation-failure": 205, "sts-policy-fetch-error": 301, "sts-policy-invalid": 302, "sts-webpki-invalid": 303,
    "tlsa-invalid": 304, "dnssec-invalid": 305, "dane-required": 306,
}  # fmt: skip
"""The numbers of libtlsrpt."""


class Journal:
    """The folder.  `warn` hears once that it cannot be written."""

    def __init__(self, directory: str, warn: Callable[[str], None]) -> None:
        self._directory = Path(directory)
        self._warn = warn
        self._failed = False
        self._day = ""

    def write(self, judged: TlsJudged) -> None:
        """Add one session."""
        if self._failed:
            return
        day = datetime.datetime.fromtimestamp(judged.wall_seconds, datetime.UTC).date().isoformat()
        line = json.dumps(describe(judged)).encode() + b"\n"
        try:
            if day != self._day:
                self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._forget_old(day)
                self._day = day
            handle = os.open(self._directory / f"{day}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                if len(line) <= LINE_LIMIT_OCTETS and os.fstat(handle).st_size + len(line) <= DAY_LIMIT_OCTETS:
                    os.write(handle, line)
            finally:
                os.close(handle)
        except OSError as trouble:
            self._failed = True
            self._warn(f"TLS reports cannot be kept in {self._directory}: {trouble.strerror or trouble}")

    def _forget_old(self, today: str) -> None:
        limit = (datetime.date.fromisoformat(today) - datetime.timedelta(days=DAYS_KEPT)).isoformat()
        for name in os.listdir(self._directory):
            if _DATED.match(name) and name[: len(limit)] < limit:
                (self._directory / name).unlink(missing_ok=True)


def list_days(directory: Path) -> list[str]:
    """The days of which there is something, oldest first."""
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    return sorted(found.group(1) for name in names if (found := _DAY.fullmatch(name)))


def read_day(directory: Path, day: str) -> Iterator[dict[str, Any]]:
    """The sessions of a day; lines that make no sense are passed over.  Raises `OSError`."""
    with open(directory / f"{day}.jsonl", "rb") as file:
        while line := file.readline(LINE_LIMIT_OCTETS):
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(found, dict) and isinstance(found.get("policy"), dict):
                domain = found.get("domain")
                if isinstance(domain, str) and is_valid_hostname(domain):
                    yield found


def describe(judged: TlsJudged) -> dict[str, Any]:
    """One session as it stands in the journal."""
    return {
        "time": round(judged.wall_seconds, 3),
        "domain": judged.domain,
        "record": judged.record,
        "policy": {
            "policy-type": judged.policy_type,
            "policy-string": list(judged.policy_strings),
            "policy-domain": judged.policy_domain,
            "mx-host": list(judged.mx_patterns),
        },
        "sending": judged.sending_address,
        "server": judged.server.host,
        "address": judged.server.address,
        "result": judged.result,
        "detail": judged.detail,
    }


class Collector:
    """The datagram socket."""

    def __init__(self, path: str, warn: Callable[[str], None]) -> None:
        self._path = path
        self._warn = warn
        self._warned = False

    def send(self, judged: TlsJudged) -> None:
        """Tell of one session."""
        datagram = make_datagram(judged)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.setblocking(False)
                channel.sendto(datagram, self._path)
        except OSError as trouble:
            if not self._warned:
                self._warned = True
                why = trouble.strerror or trouble
                self._warn(f"Could not report TLS handshake result to tlsrpt library: {why} (errno {trouble.errno})")


def make_datagram(judged: TlsJudged) -> bytes:
    """What libtlsrpt would send."""
    policy: dict[str, Any] = {"policy-type": _POLICY_CODES[judged.policy_type], "policy-domain": judged.policy_domain}
    if judged.policy_strings:
        policy["policy-string"] = list(judged.policy_strings)
    if judged.mx_patterns:
        policy["mx-host"] = list(judged.mx_patterns)
    if judged.result:
        failure: dict[str, Any] = {"c": _FAILURE_CODES.get(judged.result, 205), "n": judged.server.host}
        failure["r"] = judged.server.address
        if judged.sending_address:
            failure["s"] = judged.sending_address
        if judged.detail:
            failure["a"] = judged.detail
        policy["failure-details"] = [failure]
    failed = int(bool(judged.result))
    policy |= {"t": failed, "f": failed}
    return json.dumps({"dpv": "1", "d": judged.domain, "pr": judged.record, "policies": [policy]}).encode()
