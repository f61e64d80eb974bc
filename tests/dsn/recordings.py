"""Notices that Postfix 3.7.11 wrote (tests/dsn/recorded), and what they were written from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from mailrider.dsn.plan import Plan
from mailrider.dsn.report import Kind, Message, Report, Site
from mailrider.dsn.template import Template, Templates
from mailrider.model.request import Recipient
from mailrider.spool.message import MemoryMessage

FOLDER = Path(__file__).parent / "recorded"
NAMES = sorted(path.stem for path in FOLDER.glob("*.txt"))

_ENTRY = re.compile(r"Final-Recipient: (?:.*\n)+?(?=\n)")


@dataclass(frozen=True)
class Recording:
    """What a notice says, and the facts behind it."""

    name: str
    text: str
    plan: Plan
    message: Message
    site: Site
    queue_id: str
    now_seconds: float


def find(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    return match[1] if match else ""


def to_seconds(date: str) -> float:
    return datetime.strptime(date[:31].rstrip(" ("), "%a, %d %b %Y %H:%M:%S %z").timestamp()


def unfold(text: str) -> str:
    return re.sub(r"\n +", " ", text)


def read(name: str) -> Recording:
    text = (FOLDER / f"{name}.txt").read_text("utf-8")
    boundary = find(r'boundary="(.*)"', text)
    _, words, status, original, _ = text.split(f"--{boundary}")
    body = words.split("\n\n", 1)[1]
    lines, entries = split_words(body)
    kind = Kind(name.removeprefix("postmaster-").partition("-")[0].replace("double", "failure"))
    copy = name.startswith(("postmaster", "double"))
    template = Template(kind.value, find("^Subject: (.*)", text), lines, find("^Subject: (.*)", text) if copy else "")
    templates = Templates(**{kind.value: template})
    reports = tuple(make_reports(status, entries))
    sender = find("^X-Postfix-Sender: rfc822; (.*)", status)
    plan = Plan(kind, "", find("^To: (.*)", text), reports, copy, "Headers" in find("^Content-Description: (.*)", original), "")
    message = Message(
        find("^X-Postfix-Queue-ID: (.*)", status),
        "" if sender.startswith("MAILER-DAEMON") else sender.replace('"b b"', "b b"),
        to_seconds(find("^Arrival-Date: (.*)", status)),
        MemoryMessage(find_original(original).encode()),
        envid=find("^Original-Envelope-Id: (.*)", status),
        message_id=find("^References: (.*)", text.partition("\n\n")[0]),
    )
    site = Site("mail.here.example", "here.example", lambda _: None, lambda _: 0.0, templates=templates, lifetime_seconds=20)
    site = replace(site, threaded=bool(message.message_id))
    now = float(boundary.partition("/")[0].rpartition(".")[2])
    return Recording(name, text, plan, message, site, find("^\tid (.*);", text), now)


def split_words(body: str) -> tuple[tuple[str, ...], list[str]]:
    """The polite words, and the entries of recipients."""
    position = body.find("\n<") if not body.startswith("\n<") else 0
    polite = body[:position].rstrip("\n")
    entries = [entry for entry in unfold(body[position:]).split("\n") if entry.startswith("<")]
    return tuple(polite.split("\n")) if polite else (), entries


def make_reports(status: str, entries: list[str]) -> Iterator[Report]:
    for entry, fields in zip(entries, _ENTRY.findall(status), strict=True):
        plain = unfold(fields)
        address = find("^Final-Recipient: rfc822; (.*)", plain).replace('"b b"', "b b")
        orcpt = find("^Original-Recipient: (.*)", plain)
        yield Report(
            Recipient(address, orcpt=orcpt),
            find("^Status: (.*)", plain),
            entry.partition(">: ")[2],
            find("^Action: (.*)", plain),
            find("^Remote-MTA: dns; (.*)", plain),
            find("^Diagnostic-Code: smtp; (.*)", plain),
        )


def find_original(part: str) -> str:
    """The message after its Return-Path; of a header the end is missing."""
    text = part.split("\n\n", 1)[1]
    text = text.partition("\n")[2]
    return text[:-1]
