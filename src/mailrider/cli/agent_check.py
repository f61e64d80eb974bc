"""`mailrider agent check`: what would behave differently in this installation of Postfix, line by line, and what to do.

Every setting of main.cf, and every smtp(8), lmtp(8) or Mailrider line of master.cf, is looked at; what works as it does under
smtp(8) is not mentioned.  A line begins with its weight: `error` keeps the agent from starting, `differs` is what a postmaster
should know before the change, `note` works, in another way.
"""

from __future__ import annotations

import json
import pwd
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from mailrider.cli.agent_check_tables import check_tables, has_service
from mailrider.cli.agent_process import find_out_release
from mailrider.errors import MailriderError, WrongConfiguration
from mailrider.exit_codes import EX_CONFIG
from mailrider.machine import read_settings_unchecked
from mailrider.model.request import Transport
from mailrider.postfix.installation import read_installation
from mailrider.settings import Settings
from mailrider.settings.mastercf import Service
from mailrider.settings.review import review

PROGRAM: Final = "mailrider"


class Remark(NamedTuple):
    """One line of the answer.  `weight` is `error`, `differs` or `note`."""

    weight: str
    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.weight + ':':9}{self.place + ': ' if self.place else ''}{self.text}"


_BEHAVIOUR: Final = {
    "smtp_tls_session_cache_database": (
        "note", "TLS sessions are kept in each worker process and not by tlsmgr(8); they are lost at a reload. Nothing to do"
    ),
    "smtp_tls_connection_reuse": (
        "note", "connections with TLS are kept like all others, without tlsproxy(8). Nothing to do"
    ),
    "max_use": ("note", "counts the requests of all workers together. Leave it unset: an agent has no reason to end"),
    "smtp_tls_eecdh_grade": ("note", "is left to OpenSSL, as in newer releases of Postfix. Nothing to do"),
    "tls_random_source": ("note", "is left to OpenSSL. Nothing to do"),
}  # fmt: skip
"""Parameters that work, or not, in another way than under smtp(8): weight, and what and what to do."""

_IDLE: Final = " is not in effect yet"
_MOOT: Final = " has nothing to act on here: "
_OURS: Final = ("smtp_", "lmtp_", "debug_peer_", "dns_", "tls_")
"""How the parameters begin that smtp(8) reads itself.  Others belong to programs of Postfix that go on working."""

_KEYS: Final = ("smtp_tls_key_file", "smtp_tls_eckey_file", "smtp_tls_dkey_file", "smtp_tls_chain_files")


def run_check(directory: Path, overrides: Sequence[str], *, as_json: bool = False) -> int:
    """Print the remarks; the exit code."""
    settings = read_postfix_settings(directory, overrides)
    remarks = list(check(settings, directory))
    errors = sum(remark.weight == "error" for remark in remarks)
    if as_json:
        print(json.dumps({"directory": str(directory), "remarks": [remark._asdict() for remark in remarks]}, indent=2))
        return EX_CONFIG if errors else 0
    for remark in remarks:
        print(remark)
    differences = sum(remark.weight == "differs" for remark in remarks)
    print(f"{directory}: {errors} errors, {differences} differences, {len(remarks) - errors - differences} notes")
    return EX_CONFIG if errors else 0


def read_postfix_settings(directory: Path, overrides: Sequence[str]) -> Settings:
    """The settings; wrong values are found by `check`."""
    if not (directory / "main.cf").exists():
        raise WrongConfiguration(f"{directory} has no main.cf: give the folder of a Postfix with -c")
    return read_settings_unchecked(directory, overrides)


def check(settings: Settings, directory: Path) -> Iterator[Remark]:
    """Everything that is to be said about an installation."""
    reviewed = review(settings)
    yield from (Remark("error", "", text) for text in reviewed.errors)
    for text in reviewed.doubts:
        if _MOOT in text:
            if text.partition(_MOOT)[0] not in _BEHAVIOUR:
                yield Remark("note", "", f"{text}. Nothing to do")
        elif not text.endswith(_IDLE):
            yield Remark("differs", "", text)
        elif text.removesuffix(_IDLE).startswith(_OURS) and text.removesuffix(_IDLE) not in _BEHAVIOUR:
            yield Remark("differs", "", f"{text}. Remove it, or leave what needs it with smtp(8)")
    try:
        installation = read_installation(settings, release=find_out_release(settings, directory))
    except MailriderError as fault:
        yield Remark("error", "", str(fault))
        return
    if not Path(installation.queue_directory).is_dir():
        yield Remark("error", "", f"queue_directory = {installation.queue_directory}: there is no such folder")
    if not installation.announces:
        yield Remark("note", "", "this Postfix is older than 3.6 and is spoken to in its way. Nothing to do")
    yield from _check_parameters(settings)
    for weight, name, text in check_tables(settings, directory, installation):
        yield Remark(weight, _place_of(settings, name), text)
    cache = settings.connection_cache_service_name
    for name in ("smtp_connection_cache_shared", "lmtp_connection_cache_shared"):
        if settings.is_set(name) and settings.text(name) == "yes" and not has_service(settings, cache):
            text = f"{name}: master.cf has no service {cache}: each worker keeps its own connections"
            yield Remark("differs", _place_of(settings, name), text)
    yield from _check_keys(settings, installation.mail_owner)
    services = [service for service in settings.services.services.values() if _concerns_us(service)]
    if not any(service.program == PROGRAM for service in services):
        yield Remark("note", str(directory / "master.cf"), "no service runs mailrider yet; see docs/postfix.md for the line")
    for service in services:
        yield from _check_service(service, settings)


def _place_of(settings: Settings, name: str) -> str:
    entry = settings.entries[name]
    return entry.place if entry.line else f"-o {name}"


def _concerns_us(service: Service) -> bool:
    return service.type == "unix" and (service.transport is not None or service.program == PROGRAM)


def _check_parameters(settings: Settings) -> Iterator[Remark]:
    for name in settings.entries:
        plain = "smtp_" + name.removeprefix("lmtp_") if name.startswith("lmtp_") else name
        found = _BEHAVIOUR.get(plain)
        if found is None:
            continue
        yield Remark(found[0], _place_of(settings, name), f"{name}: {found[1]}")


def _check_keys(settings: Settings, owner: str) -> Iterator[Remark]:
    """Keys are read when they are first needed, by the owner of the mail."""
    for transport in Transport:
        bound = settings.bind(transport)
        for name in _KEYS:
            own = name if transport is Transport.SMTP else "lmtp_" + name.removeprefix("smtp_")
            entry = settings.entries.get(own)
            if entry is None:
                continue
            for path in bound.text(own).replace(",", " ").split():
                if path != "none" and not _may_read(path, owner):
                    why = f"{own}: {owner} cannot read {path}, which smtp(8) reads as root"
                    yield Remark("differs", entry.place, f"{why}: chgrp {owner} {path}; chmod 640 {path}")


def _may_read(path: str, owner: str) -> bool:
    try:
        account = pwd.getpwnam(owner)
        found = Path(path).stat()
    except (KeyError, OSError):
        return False
    mode = found.st_mode
    if found.st_uid == account.pw_uid:
        return bool(mode & 0o400)
    if found.st_gid == account.pw_gid:
        return bool(mode & 0o040)
    return bool(mode & 0o004)


def _check_service(service: Service, settings: Settings) -> Iterator[Remark]:
    ours = service.program == PROGRAM
    if ours and service.process_limit != 1:
        yield Remark(
            "differs", service.place,
            f"{service.name}: one process of the agent serves all requests. Write 1 in the seventh field (maxproc)",
        )  # fmt: skip
    if not ours and service.process_limit not in (None, 0, 1):
        limit = service.process_limit
        yield Remark(
            "differs", service.place,
            f"{service.name}: {limit} processes mean {limit} deliveries at most; the agent knows no such limit. "
            f"Set {service.name}_destination_concurrency_limit, or give it --most-at-once {limit} --workers 1",
        )  # fmt: skip
    if _is_chrooted(service, settings):
        yield Remark(
            "note", service.place,
            f"{service.name}: runs in a chroot. etc/resolv.conf, etc/hosts, etc/services and etc/nsswitch.conf "
            "have to be in the queue directory, as for smtp(8)",
        )  # fmt: skip


def _is_chrooted(service: Service, settings: Settings) -> bool:
    """The fifth field is not kept by the reader of master.cf, so the line is looked at again."""
    lines = Path(service.path).read_text("utf-8", "replace").splitlines()
    words = lines[service.line - 1].split() if service.line <= len(lines) else []
    if len(words) < 5 or words[4] not in ("y", "-"):
        return False
    old = settings.compatibility_level.partition(".")[0]
    return words[4] == "y" or (old.isdigit() and int(old) < 1)
