"""The work of `mailrider queue`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypedDict, Unpack

import click

from mailrider.cli.options import Given
from mailrider.cli.queue_text import (
    EMPTY,
    HEADING,
    count_lines,
    counts_as_json,
    message_as_json,
    message_lines,
    postqueue_lines,
    tell_when,
)
from mailrider.content.whole_address import NULL_SENDER_NAME
from mailrider.errors import WrongUsage
from mailrider.exit_codes import EX_OK, EX_UNAVAILABLE
from mailrider.machine import choose_configuration, read_settings
from mailrider.model.printable import make_printable
from mailrider.settings import Settings
from mailrider.settings.kinds import Seconds
from mailrider.settings.parameter import WrongValue
from mailrider.spool.opening import has_queue, open_existing_spool
from mailrider.spool.spool import ALL, Order, Selection, Spool, StoredMessage
from mailrider.spool.spread import Spread

EVERYTHING = "ALL"
"""As an id: every message, as for postsuper(1)."""

NOTHING_FITS = "no message in the queue fits"

FIRST_PAGE = 50
"""Small, so that the first lines are there at once."""

PAGE = 1000

LONGEST_INTERVAL_SECONDS = 86_400.0
"""Between two messages of `--rate`: mail that is let go more slowly than this is better kept on hold."""

_Work = Callable[[Spool], Coroutine[Any, Any, int]]


def settings_of(given: Given) -> Settings:
    """The settings that a command was called with."""
    directory, overrides = given
    return read_settings(choose_configuration(directory), overrides)


class Choice(TypedDict):
    """The options that say which messages are meant."""

    ids: tuple[str, ...]
    domain: str | None
    sender: str | None
    recipient: str | None
    reason: str | None
    older: str | None
    everything: bool


def make_selection(choice: Choice, *, without: Selection | None) -> Selection:
    """Which messages are meant; `without` a choice, or `WrongUsage` where that makes none."""
    ids = tuple(one for one in choice["ids"] if one != EVERYTHING)
    everything = choice["everything"] or len(ids) < len(choice["ids"])
    before = None if choice["older"] is None else time.time() - read_age(choice["older"])
    sender, recipient = (_read_address(choice[name]) for name in ("sender", "recipient"))
    if sender is not None and sender.upper() == NULL_SENDER_NAME:
        sender = ""  # as lists show it
    chosen = Selection(ids, choice["domain"], sender, False, recipient, choice["reason"], before)
    if everything and chosen != Selection():
        raise WrongUsage("--all leaves nothing to choose from: give it alone")
    if everything:
        return ALL
    if chosen == Selection():
        if without is None:
            raise WrongUsage("which messages? give IDs, --domain, --sender, --recipient, --reason, --older or --all")
        return without
    return chosen


def _read_address(text: str | None) -> str | None:
    """An address that may stand in angle brackets."""
    return text[1:-1] if text is not None and text.startswith("<") and text.endswith(">") else text


def read_age(text: str) -> float:
    """The seconds of `--older`, written as in main.cf.  Raises `WrongUsage`."""
    try:
        return Seconds("0s", "An age.", since="", least=0, in_effect=True).parse(text)
    except WrongValue:
        raise WrongUsage(f"--older {text}: expected a time, such as 30m, 4h or 2d (a number alone is seconds)") from None


def _run(given: Given, work: _Work) -> int:
    return _run_with(settings_of(given), work)


def _run_with(settings: Settings, work: _Work) -> int:
    async def go() -> int:
        async with open_existing_spool(settings.queue_directory) as spool:
            return await work(spool)

    return asyncio.run(go())


async def _pages(spool: Spool, selection: Selection) -> AsyncIterator[StoredMessage]:
    after, limit = "", FIRST_PAGE
    while page := await spool.list(selection, after, limit):
        for message in page:
            yield message
        after, limit = page[-1].queue_id, PAGE


def run_list(given: Given, *, as_json: bool, **choice: Unpack[Choice]) -> int:
    """`mailrider queue list`."""
    selection = make_selection(choice, without=ALL)
    return _run(given, lambda spool: _list(spool, selection, as_json=as_json))


def list_as_postqueue(settings: Settings) -> int:
    """`sendmail -bp`."""
    if has_queue(settings.queue_directory):
        return _run_with(settings, lambda spool: _list(spool, ALL, as_json=False))
    click.echo(EMPTY)
    return EX_OK


async def _list(spool: Spool, selection: Selection, *, as_json: bool) -> int:
    count = size = 0
    now = time.time()
    missing = dict.fromkeys(selection.queue_ids)
    async for message in _pages(spool, selection):
        missing.pop(message.queue_id, None)
        if as_json:
            click.echo(json.dumps(message_as_json(message, now)))
            continue
        if not count:
            click.echo(HEADING)
        for line in postqueue_lines(message):
            click.echo(line)
        count += 1
        size += message.size_octets
    if count:
        click.echo(f"-- {size // 1024} Kbytes in {count} Request{'s' if count > 1 else ''}.")
    elif not as_json and not missing:
        click.echo(EMPTY if selection == ALL else NOTHING_FITS)
    for queue_id in missing:
        _complain(f"no message {queue_id} in the queue" + (" fits" if await spool.show(queue_id) else ""))
    return EX_UNAVAILABLE if missing else EX_OK


def run_show(given: Given, ids: tuple[str, ...], *, content: bool, as_json: bool) -> int:
    """`mailrider queue show`."""

    async def show(spool: Spool, message: StoredMessage) -> None:
        text = await _text_of(spool, message.queue_id) if content else None
        if as_json:
            told = message_as_json(message, time.time(), whole=True)
            if text is not None:
                told["content"] = text.decode("utf-8", "replace")
            click.echo(json.dumps(told))
            return
        for line in message_lines(message, time.time()):
            click.echo(line)
        if text is not None:
            click.echo(b"\n" + text.replace(b"\r\n", b"\n"), nl=False)

    return _run(given, lambda spool: _for_each(spool, ids, show))


async def _text_of(spool: Spool, queue_id: str) -> bytes | None:
    content = await spool.content(queue_id)
    return b"".join(content.chunks()) if content is not None else None


def run_explain(given: Given, ids: tuple[str, ...], *, as_json: bool) -> int:
    """`mailrider queue explain`."""
    from mailrider.cli.queue_explain import explain_message, explanation_lines  # the schedule of a whole node
    from mailrider.cli.queue_paces import find_paces

    settings = settings_of(given)

    async def explain(spool: Spool, message: StoredMessage) -> None:
        groups = await _find_groups(message, settings)
        explanation = explain_message(message, settings, time.time(), groups, find_paces(message, settings))
        if as_json:
            click.echo(json.dumps(explanation))
            return
        for line in explanation_lines(explanation, time.time()):
            click.echo(line)

    return _run_with(settings, lambda spool: _for_each(spool, ids, explain))


async def _find_groups(message: StoredMessage, settings: Settings) -> dict[int, str]:
    if settings.destination_group == "none":
        return {}
    from mailrider.cli.queue_groups import find_groups  # with it comes the delivery core

    return await find_groups(message, settings)


async def _for_each(
    spool: Spool, ids: tuple[str, ...], action: Callable[[Spool, StoredMessage], Coroutine[Any, Any, None]]
) -> int:
    code = EX_OK
    for queue_id in ids:
        message = await spool.show(queue_id)
        if message is None:
            code = _complain(f"no message {queue_id} in the queue")
        else:
            await action(spool, message)
    return code


def _complain(text: str) -> int:
    click.echo(f"mailrider queue: {make_printable(text)}", err=True)
    return EX_UNAVAILABLE


def read_interval(rate: str) -> float:
    """The seconds between two messages of `--rate`.  Raises `WrongUsage`."""
    from mailrider.settings.catalogue.node import RATE_WANTED, parse_rate

    try:
        interval_seconds = parse_rate(rate)
    except WrongValue:
        raise WrongUsage(f"--rate {rate}: expected {RATE_WANTED}") from None
    if not interval_seconds:
        raise WrongUsage(f"--rate {rate}: at this rate nothing would ever go; leave --rate out to let all go now")
    if interval_seconds > LONGEST_INTERVAL_SECONDS:
        raise WrongUsage(f"--rate {rate}: slower than one message a day")
    return interval_seconds


def run_order(given: Given, name: str, *, as_json: bool, rate: str | None = None, **choice: Unpack[Choice]) -> int:
    """`mailrider queue flush`, `hold`, `release`, `requeue`, `delete`."""
    order = Order(name)
    interval_seconds = None if rate is None else read_interval(rate)
    all_unless_chosen = order is Order.FLUSH and interval_seconds is None
    selection = make_selection(choice, without=ALL if all_unless_chosen else None)

    async def carry_out(spool: Spool) -> int:
        missing = [queue_id for queue_id in selection.queue_ids if await spool.show(queue_id) is None]
        now = time.time()
        spread = None if interval_seconds is None else Spread(now, interval_seconds)
        count = await spool.administer(order, selection, spread)
        last = spread.turn_seconds(count - 1) if spread is not None and count else None
        if as_json:
            told: dict[str, Any] = {"order": name, "messages": count, "missing": missing}
            if spread is not None:
                told |= {"interval": spread.interval_seconds, "first_due": now if count else None, "last_due": last}
            click.echo(json.dumps(told))
        else:
            end = f", the last one due {tell_when(last, now)}" if last is not None else ""
            click.echo(f"{name}: {count} message{'' if count == 1 else 's'}{end}")
        for queue_id in missing:
            _complain(f"no message {queue_id} in the queue")
        return EX_UNAVAILABLE if missing else EX_OK

    return _run(given, carry_out)


def run_stats(given: Given, limit: int, *, as_json: bool, as_metrics: bool) -> int:
    """`mailrider queue stats`."""
    if as_json and as_metrics:
        raise WrongUsage("specify only one of --json and --metrics")

    async def tell(spool: Spool) -> int:
        counts = await spool.stats()
        if as_metrics:
            from mailrider.observe.metrics import write_metrics

            for line in write_metrics(counts, limit, time.time()):
                click.echo(line)
        elif as_json:
            click.echo(json.dumps(counts_as_json(counts)))
        else:
            for line in count_lines(counts, limit, time.time()):
                click.echo(line)
        return EX_OK

    return _run(given, tell)
