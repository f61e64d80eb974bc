"""The work of `mailrider deliver`: from parcels to rows.

A parcel becomes one request for every `smtp_destination_recipient_limit` recipients.  In a burst all requests wait in their
destination's queue at once; otherwise one parcel is worked off after the other.  SIGINT and SIGTERM end running
deliveries before their next server, and a second one breaks them off where they are: what is left then is deferred, and every
row is still written.
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mailrider.cli.consignment import Consignment, Portion, Read
from mailrider.cli.event_loop import look_seldom_for_garbage, run_loop
from mailrider.cli.parcels import (
    STANDARD_INPUT,
    Batch,
    Parcel,
    parse_client_arguments,
    parse_recipient_argument,
    parse_request,
    read_batch,
)
from mailrider.cli.rows import Rows
from mailrider.cli.services import assign_services
from mailrider.cli.standard_input import read_standard_input
from mailrider.cli.text_log import open_text_log
from mailrider.errors import WrongUsage
from mailrider.events import Observer, Warned
from mailrider.exit_codes import EX_TEMPFAIL, EX_UNAVAILABLE
from mailrider.machine import SystemClock, choose_configuration, read_settings
from mailrider.model.outcome import DeliveryReport, Outcome, Recorded
from mailrider.model.request import DeliveryRequest, Recipient
from mailrider.observe.lines import LineWriter
from mailrider.queue.burst import Burst
from mailrider.settings import Settings
from mailrider.settings.review import list_warnings
from mailrider.spool.message import Message, UnreadableMessage
from mailrider.spool.shelf import MessageShelf
from mailrider.wiring import Engine


def run_deliver(
    directory: Path | None,
    overrides: tuple[str, ...],
    verbose: int,
    log_format: str,
    batch_file: str | None,
    message_file: str | None,
    given: Mapping[str, Any],
) -> int:
    """Deliver what the command line asks for; the exit code comes back."""
    gc.disable()  # what is read now lives to the end: no need to look through it again and again while it grows
    try:
        batch = _read_work(batch_file, message_file, given)
    finally:
        gc.freeze()  # else it is looked through once as soon as the collector is on again
        gc.enable()
    settings = read_settings(choose_configuration(directory), overrides)
    batch, services = assign_services(batch, settings)
    errors = LineWriter(2)
    log = _open_log(errors, services[0] if len(services) == 1 else settings, log_format, verbose)
    for warning in list_warnings([settings, *services]):
        errors.write(f"warning: {warning}")
    rows_out = LineWriter(1)
    rows = Rows(rows_out.write, numbered=batch_file is not None)
    reads_input = any(parcel.message_file == STANDARD_INPUT for parcel in batch.parcels)
    standard_input = read_standard_input() if reads_input else None
    look_seldom_for_garbage()
    try:
        run_loop(_deliver_all(batch, standard_input, settings, log, rows, tell_dialogues=bool(verbose)))
    finally:
        rows_out.flush()
        if rows_out.lines_lost:
            errors.write(f"warning: {rows_out.lines_lost} rows could not be written to standard output")
        errors.flush()
    if rows.deferred:
        return EX_TEMPFAIL
    return EX_UNAVAILABLE if rows.bounced else 0


def _read_work(batch_file: str | None, message_file: str | None, given: Mapping[str, Any]) -> Batch:
    """A batch, or the options of one message as a batch of one."""
    options = {key: value for key, value in given.items() if value not in (None, (), False)}
    if batch_file is not None:
        if message_file is not None or options:
            raise WrongUsage("--batch takes everything from its file: give no message and no envelope beside it")
        return read_batch(batch_file)
    if message_file is None:
        raise WrongUsage("no message file is given; - is standard input")
    request: dict[str, Any] = dict(options)
    for needed in ("nexthop", "sender"):
        if needed not in request:
            raise WrongUsage(f"--{needed} is missing")
    request["recipients"] = [parse_recipient_argument(text) for text in request.get("recipients", ())]
    if not request["recipients"]:
        raise WrongUsage("--recipient is missing")
    request["xforward"] = parse_client_arguments(request.get("xforward", ()))
    request["message_file"] = message_file
    return Batch(sequential=True, parcels=(parse_request(request),))


def _open_log(errors: LineWriter, settings: Settings, log_format: str, verbose: int) -> Observer:
    if log_format == "json":
        from mailrider.observe.json_lines import JsonLog

        return JsonLog(errors.write, clock=SystemClock())
    return open_text_log(settings, errors.write, verbose=bool(verbose))


async def _deliver_all(
    batch: Batch,
    standard_input: Message | UnreadableMessage | None,
    settings: Settings,
    observer: Observer,
    rows: Rows,
    *,
    tell_dialogues: bool,
) -> None:
    engine = Engine(settings, observer, tell_dialogues=tell_dialogues)
    engine.check()
    _check_nexthops(batch, engine)
    interruption = _Interruption(engine, observer)
    read = _make_reader(MessageShelf(engine.clock.monotonic_seconds).read, standard_input)
    begun: list[Consignment] = []

    def begin(parcel: Parcel) -> list[Portion]:
        begun.append(Consignment(len(begun), parcel, engine, rows, read))
        return begun[-1].portions()

    def make_burst() -> Burst:
        return Burst(_Door(engine).deliver, engine.window_terms, engine.clock, observer)

    try:
        await _work_off(batch, begin, make_burst, interruption)
    except asyncio.CancelledError:
        if not interruption.is_final:
            raise
        for parcel in batch.parcels[len(begun) :]:
            begin(parcel)
        for consignment in begun:
            consignment.break_off()
    finally:
        await engine.close()


async def _work_off(
    batch: Batch, begin: Callable[[Parcel], list[Portion]], make_burst: Callable[[], Burst], interruption: _Interruption
) -> None:
    if not batch.sequential:
        await make_burst().run(portion for parcel in batch.parcels for portion in begin(parcel))
        return
    for parcel in batch.parcels:
        if parcel.pause_seconds:
            await interruption.wait(parcel.pause_seconds)
        # Each request is an attempt of its own: what the one before met does not suspend it.
        await make_burst().run(begin(parcel))


def _make_reader(read: Read, standard_input: Message | UnreadableMessage | None) -> Read:
    """Who gives the message of a name."""
    if standard_input is None:
        return read
    return lambda name: standard_input if name == STANDARD_INPUT else read(name)


class _Interruption:
    """SIGINT and SIGTERM: the first ends running deliveries before their next server, the second cancels the task.

    A silent server is waited for as long as it may take, five minutes or ten, and nobody at a prompt wants to.
    """

    def __init__(self, engine: Engine, observer: Observer) -> None:
        loop = asyncio.get_running_loop()
        self.is_final = False
        self._engine = engine
        self._observer = observer
        self._begun = asyncio.Event()
        self._task = asyncio.current_task()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)

    def _stop(self) -> None:
        if not self._begun.is_set():
            self._begun.set()
            self._engine.drain()
            self._observer(Warned("interrupted: what is under way is finished; once more breaks it off"))
        elif not self.is_final and self._task is not None:
            self.is_final = True
            self._task.cancel()

    async def wait(self, seconds: float) -> None:
        """Let so much time pass, unless there is an interruption."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._begun.wait(), seconds)


def _check_nexthops(batch: Batch, engine: Engine) -> None:
    """A next hop that makes no sense is found before anything is sent."""
    for transport, service, nexthop in {(parcel.transport, parcel.service, parcel.nexthop): None for parcel in batch.parcels}:
        engine.agent(transport, service).check_nexthop(nexthop)


class _Door:
    """The caller keeps the mail, and hears from us when we are done: so everything counts as recorded."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def deliver(self, request: DeliveryRequest) -> Coroutine[Any, Any, DeliveryReport]:
        """Deliver with the agent of the request's service."""
        return self._engine.agent(request.transport, request.service).deliver(request, self)

    async def settle(self, recipient: Recipient, outcome: Outcome) -> Recorded:
        """See `model.outcome.Recorder`."""
        return Recorded.RECORDED
