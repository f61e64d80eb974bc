"""The work of `mailrider sendmail`: from a command line and standard input to a message in the queue."""

from __future__ import annotations

import asyncio
import os
import pwd
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from mailrider.cli.sendmail_input import SubmittedText, TooLarge
from mailrider.cli.sendmail_options import Mode, SendmailOptions, parse_sendmail
from mailrider.cli.standard_input import open_standard_input
from mailrider.content.canonical import finds_8bit_label
from mailrider.content.completion import (
    Origin,
    complete_header,
    find_recipients,
    read_addresses,
)
from mailrider.content.whole_address import make_completion, write_orcpt
from mailrider.dsn.wrap import format_date
from mailrider.errors import SpoolTrouble, WrongUsage
from mailrider.exit_codes import EX_NOPERM, EX_OK, EX_TEMPFAIL, EX_UNAVAILABLE
from mailrider.machine import choose_configuration, read_settings
from mailrider.model.printable import make_printable
from mailrider.model.request import BodyType, Envelope, Recipient
from mailrider.model.texts import check_text
from mailrider.settings import Settings
from mailrider.spool.opening import is_forbidden, open_spool
from mailrider.spool.queue_id import QueueIds
from mailrider.spool.spool import NotAccepted, Order, Selection, Spool, Submission

NO_HEADER_RECIPIENTS = "No recipient addresses found in message header"
NO_RECIPIENTS = "Recipient addresses must be specified on the command line or via the -t option"


def run_sendmail(arguments: Sequence[str]) -> int:
    """Do what the command line asks for; the exit code."""
    options = parse_sendmail(arguments)
    if options.mode in (Mode.ALIASES, Mode.NOTHING):
        return EX_OK  # there are no aliases and no host status
    if options.has_interval and options.mode is Mode.SUBMIT and not (options.recipients or options.extract):
        return EX_OK  # somebody's old line for cron: a node looks into its queue by itself
    directory = Path(options.directory) if options.directory is not None else None
    chosen = choose_configuration(directory)
    settings = read_settings(chosen, options.overrides)
    match options.mode:
        case Mode.LIST:
            from mailrider.cli.queue_run import list_as_postqueue

            return list_as_postqueue(settings)
        case Mode.STAND_ALONE:
            if is_forbidden(settings.queue_directory):
                text = "-bs: this user may not write to the queue; speak SMTP to the node instead"
                return _fail(_who_calls()[0], text, EX_NOPERM)
            from mailrider.cli.sendmail_stand_alone import run_stand_alone

            return run_stand_alone(chosen, options.overrides)
        case Mode.FLUSH:
            return asyncio.run(_flush(settings, options))
    settings.check()
    return _submit(settings, options, open_standard_input("the message"))


async def _flush(settings: Settings, options: SendmailOptions) -> int:
    ids = (options.queue_id,) if options.queue_id else ()
    chosen = Selection(ids, options.site or None, everything=not (ids or options.site))
    async with open_spool(settings.queue_directory) as spool:
        await spool.administer(Order.FLUSH, chosen)
    return EX_OK


def _submit(settings: Settings, options: SendmailOptions, stream: BinaryIO) -> int:
    login, full_name = _who_calls()
    try:
        text = SubmittedText(stream, dot_ends=options.dot_ends, limit_octets=settings.message_size_limit)
        envelope = _make_envelope(settings, options, text, login)
        with_name = options.full_name if options.full_name is not None else os.environ.get("NAME", full_name)
        if is_forbidden(settings.queue_directory):
            return asyncio.run(_hand_over(settings, envelope, text, with_name))
        return asyncio.run(_accept(settings, envelope, text, with_name))
    except TooLarge as error:
        return _fail(login, str(error), EX_UNAVAILABLE)
    except SpoolTrouble as error:
        return _fail(login, str(error), EX_TEMPFAIL)


async def _hand_over(settings: Settings, envelope: Envelope, text: SubmittedText, full_name: str) -> int:
    """The way of those who may not write to the queue."""
    from mailrider.cli.sendmail_hand_over import hand_over

    now = time.time()
    queue_id = QueueIds(time.time).new_queue_id()  # for the Message-Id; the queue gives its own
    origin = Origin(queue_id, settings.myhostname, format_date(now), envelope.sender, full_name)
    code, sentence = await hand_over(settings, envelope, list(_content(settings, origin, text)))
    return _fail(_who_calls()[0], sentence, code) if code else EX_OK


def _fail(login: str, text: str, code: int) -> int:
    print(f"mailrider sendmail: {login}({os.getuid()}): {make_printable(text)}", file=sys.stderr)
    return code


def _who_calls() -> tuple[str, str]:
    """The login name and the full name of the user."""
    try:
        entry = pwd.getpwuid(os.getuid())
    except KeyError:
        return str(os.getuid()), ""
    full_name = entry.pw_gecos.partition(",")[0].replace("&", entry.pw_name.capitalize())
    return entry.pw_name, full_name


def _make_envelope(settings: Settings, options: SendmailOptions, text: SubmittedText, login: str) -> Envelope:
    """Who sends to whom.  Raises `WrongUsage`."""
    completion = make_completion(settings)
    nobody = settings.empty_address_recipient
    found = [address or nobody for given in options.recipients for address in read_addresses(os.fsencode(given)) or [""]]
    if options.extract:
        found += find_recipients(text.fields)
    whole = [completion.whole(check_text("address", one)) for one in found]
    unique = {address.casefold(): address for address in whole if address}
    if not unique:
        raise WrongUsage(f"{login}({os.getuid()}): {NO_HEADER_RECIPIENTS if options.extract else NO_RECIPIENTS}")
    sender = login if options.sender is None else next(iter(read_addresses(os.fsencode(options.sender))), "")
    label = finds_8bit_label(b"".join(text.fields))
    envelope = Envelope(
        completion.whole_sender(check_text("address", sender)),
        tuple(Recipient(one, orcpt=write_orcpt(one), notify=options.notify) for one in unique.values()),
        envid=check_text("-V", options.envid),
        ret=options.ret,
        body=BodyType.EIGHT_BIT if label and options.body is BodyType.UNKNOWN else options.body,
        requiretls=options.requiretls,
    )
    return envelope._replace(smtputf8=_needs_utf8(settings, options, envelope, text))


def _needs_utf8(settings: Settings, options: SendmailOptions, envelope: Envelope, text: SubmittedText) -> bool:
    """Whether a server must understand SMTPUTF8: it was said, or an address or the header is written so."""
    if options.smtputf8 is not None:
        return options.smtputf8
    classes = settings.smtputf8_autodetect_classes
    if not settings.smtputf8_enable or not {"sendmail", "all"} & set(classes):
        return False
    texts = [envelope.sender, *(recipient.address for recipient in envelope.recipients)]
    octets = [text.encode("utf-8", "surrogateescape") for text in texts] + text.fields
    return any(not one.isascii() and _is_utf8(one) for one in octets)


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


async def _accept(settings: Settings, envelope: Envelope, text: SubmittedText, full_name: str) -> int:
    async with open_spool(settings.queue_directory) as spool:
        now = time.time()
        queue_id = spool.new_queue_id()
        origin = Origin(queue_id, settings.myhostname, format_date(now), envelope.sender, full_name)
        given = Submission(envelope, origin="sendmail", queue_id=queue_id, arrival_seconds=now)
        return await _put(spool, given, _content(settings, origin, text))


async def _put(spool: Spool, given: Submission, content: Iterator[bytes]) -> int:
    answer = await spool.accept(given, content)
    if isinstance(answer, NotAccepted):
        return _fail(_who_calls()[0], f"{answer.reason.value}: {answer.text}", EX_TEMPFAIL)
    return EX_OK


def _content(settings: Settings, origin: Origin, text: SubmittedText) -> Iterator[bytes]:
    """The message as it goes into the queue: a Received field on top, what was missing at the end of the header."""
    fields = complete_header(text.fields, origin, make_completion(settings))
    received = (
        f"Received: by {settings.myhostname} ({settings.mail_name}, from userid {os.getuid()})\r\n"
        f"\tid {origin.queue_id}; {origin.date}\r\n"
    )
    yield received.encode() + b"".join(fields)
    yield from text.body()
