"""From orders to a running agent: settings, log, sockets, and the supervisor with its workers.

What has to be done as root (reading settings, opening sockets, logs and tables) is done before privileges are given up.
Errors of the first moments go to the log of Postfix, since master(8) shows nobody what its children say.
"""

from __future__ import annotations

import os
import pwd
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from mailrider.cli.agent_plan import Plan
from mailrider.cli.postconf import ask_postconf
from mailrider.errors import MailriderError, WrongConfiguration, WrongUsage
from mailrider.model.request import Transport
from mailrider.postfix.arguments import FIRST_LISTENER, GENERATION_VARIABLE, STATUS_CHANNEL, parse_master_orders
from mailrider.postfix.installation import USUAL_RELEASE, read_installation, read_release
from mailrider.postfix.mail_log import FATAL, WARNING, MailLog
from mailrider.postfix.supervisor import Staff, Supervisor
from mailrider.settings import HostFacts, Settings, load_settings

POSTLOG_VARIABLE: Final = "POSTLOG_SERVICE"
DIRECTORY_VARIABLE: Final = "MAIL_CONFIG"
USUAL_DIRECTORY: Final = "/etc/postfix"

BACKLOG: Final = 200
"""The queue manager has two connections waiting at most."""

SOCKET_MODE: Final = 0o666
"""As those of Postfix; the folder is what keeps others out."""

FAILED_START_SECONDS: Final = 1.0
"""A process that cannot start takes its time to end, so that nobody starts it in a circle."""

WATCHDOG_TEXT: Final = "watchdog timeout"
"""What a process of Postfix says that is ended for standing still."""

WORKERS: Final = 1
"""By default: one has the whole connection cache, and costs a third less processor time than two that wake each other."""


class OwnSocket(NamedTuple):
    """What the command line of an agent on a socket of its own says; empty and None leave it to the defaults."""

    directory: Path
    overrides: tuple[str, ...]
    verbose: int
    service: str
    transport: str
    flags: str
    path: str
    workers: int | None
    most_at_once: int | None
    syslog: str


def run_for_master(program: str, arguments: Sequence[str]) -> int:
    """The life of a process that master(8) has started; the exit code."""
    log: MailLog | None = None
    try:
        orders = parse_master_orders(program, arguments)
        directory = Path(os.environ.get(DIRECTORY_VARIABLE) or USUAL_DIRECTORY)
        settings = read_agent_settings(directory, orders.overrides, orders.service, orders.transport, orders.flags)
        postlog = os.environ.get(POSTLOG_VARIABLE, "") if settings.maillog_file else ""
        log = open_log(settings, orders.transport, postlog, orders.syslog)
        settings.check()
        installation = read_installation(settings, release=find_out_release(settings, directory))
        os.chdir(installation.queue_directory)
        listeners = [_adopt(FIRST_LISTENER + number) for number in range(orders.listeners)]
        for descriptor in (3, 4, STATUS_CHANNEL):
            _keep_from_children(descriptor)
        plan = Plan(
            settings=settings,
            installation=installation,
            transport=orders.transport,
            service=orders.service,
            listeners=listeners,
            log=log,
            most_at_once=orders.most_at_once,
            verbose=orders.verbose,
            unprivileged=orders.unprivileged or orders.chroot,
            chroot=installation.queue_directory if orders.chroot else "",
        )
        uses = orders.uses_limit or (settings.text("max_use") if settings.is_set("max_use") else "")
        idle = float(orders.idle_seconds) if orders.idle_seconds.isdigit() else settings.max_idle
        return _supervise(
            plan,
            workers=orders.workers,
            status_channel=STATUS_CHANNEL,
            generation=int(os.environ[GENERATION_VARIABLE], 8),
            idle_seconds=idle,
            uses_limit=int(uses) if uses.isdigit() else 0,
        )
    except (MailriderError, OSError, ValueError) as fault:
        return _fail(log, fault)


def run_on_own_socket(wishes: OwnSocket) -> int:
    """The life of an agent that is a service of the system; the exit code."""
    log: MailLog | None = None
    try:
        transport = Transport(wishes.transport)
        settings = read_agent_settings(wishes.directory, wishes.overrides, wishes.service, transport, wishes.flags)
        installation = read_installation(settings, release=find_out_release(settings, wishes.directory))
        os.chdir(installation.queue_directory)
        postlog = f"{installation.queue_directory}/public/{installation.postlog_service}" if settings.maillog_file else ""
        log = open_log(settings, transport, postlog, wishes.syslog, stream=2 if wishes.verbose else None)
        settings.check()
        listener = listen_at(wishes.path or f"private/{wishes.service}", installation.mail_owner)
        plan = Plan(
            settings=settings,
            installation=installation,
            transport=transport,
            service=wishes.service,
            listeners=[listener],
            log=log,
            most_at_once=wishes.most_at_once or 0,
            verbose=wishes.verbose,
            unprivileged=True,
            chroot="",
        )
        return _supervise(plan, workers=wishes.workers or 0)
    except (MailriderError, OSError) as fault:
        return _fail(log, fault, to_terminal=True)


def read_agent_settings(directory: Path, overrides: Sequence[str], service: str, transport: Transport, flags: str) -> Settings:
    """The settings of a service.  What `-o` says to nobody is no error here, as in Postfix.  Raises `WrongConfiguration`."""
    host = HostFacts(socket.gethostname(), os.getpid(), transport.value, service)
    known = [text for text in overrides if Settings.find(text.partition("=")[0].strip()) is not None]

    def load(chosen: Sequence[str]) -> Settings:
        return load_settings(directory, chosen, host=host, transport=transport, checked=False, services=False)

    try:
        loaded = load(overrides)
    except WrongUsage:
        loaded = load(known)
    return Settings(
        loaded.entries,
        loaded.host,
        transport=transport,
        directory=loaded.directory,
        warnings=loaded.warnings,
        delivery_flags=flags,
    )


def open_log(
    settings: Settings, transport: Transport, postlog_path: str, syslog_path: str = "", stream: int | None = None
) -> MailLog:
    """The log of an agent."""
    tag = f"{settings.syslog_name}/{transport.value}"
    return MailLog(
        tag, settings.myhostname, settings.syslog_facility, postlog_path=postlog_path, syslog_path=syslog_path, stream=stream
    )


def find_out_release(settings: Settings, directory: Path) -> tuple[int, int]:
    """Which release of Postfix is installed.  One that does not tell is taken for the usual one."""
    told = ask_postconf(settings, directory, "-h", "mail_version")
    return USUAL_RELEASE if told is None else read_release(told.strip())


def listen_at(path: str, owner: str) -> socket.socket:
    """A listening socket at a path, in the place of one that nobody listens on any more."""
    if _somebody_listens(path):
        raise WrongUsage(f"{path}: somebody listens there already")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    fresh = f"{path}.{os.getpid()}"
    try:
        listener.bind(fresh)
        os.chmod(fresh, SOCKET_MODE)
        if os.geteuid() == 0:
            account = pwd.getpwnam(owner)
            os.chown(fresh, account.pw_uid, account.pw_gid)
        listener.listen(BACKLOG)
        os.rename(fresh, path)  # nobody finds the place empty
    except (KeyError, OSError) as trouble:
        listener.close()
        with suppress(OSError):
            os.unlink(fresh)
        if isinstance(trouble, KeyError):
            raise WrongConfiguration(f"mail_owner = {owner}: there is no such user") from None
        raise WrongConfiguration(f"cannot listen at {path} in {os.getcwd()}: {trouble.strerror}") from None
    return listener


def _somebody_listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as caller:
        try:
            caller.connect(path)
        except BlockingIOError:
            return True  # somebody with much to do
        except OSError:
            return False
    return True


def _supervise(
    plan: Plan,
    *,
    workers: int,
    status_channel: int | None = None,
    generation: int = 0,
    idle_seconds: float = 0.0,
    uses_limit: int = 0,
) -> int:
    # Before there are workers: they share what is loaded.
    from mailrider.cli.agent_work import run_worker
    from mailrider.cli.early_loading import load_early

    load_early(plan.settings)
    log = plan.log
    staff = Staff(
        workers=workers or WORKERS,
        run_worker=lambda lifeline, slot: run_worker(plan, lifeline, slot),
        listeners=plan.listeners,
        warn=lambda text: log.write(WARNING + text),
        prepare=plan.give_up_privileges,
        tell_hung=lambda worker: log.write(FATAL + WATCHDOG_TEXT, worker),
        status_channel=status_channel,
        generation=generation,
        idle_seconds=idle_seconds,
        uses_limit=uses_limit,
    )
    return Supervisor(staff).run()


def _adopt(descriptor: int) -> socket.socket:
    """A listening socket that master(8) has left to us.  Nothing about it is changed: it is master's too."""
    _keep_from_children(descriptor)
    return socket.socket(fileno=descriptor)


def _keep_from_children(descriptor: int) -> None:
    with suppress(OSError):  # a pipe that is not there is none that could be left behind
        os.set_inheritable(descriptor, False)


def _fail(log: MailLog | None, fault: BaseException, *, to_terminal: bool = False) -> int:
    """Tell why there will be no agent."""
    text = FATAL + str(fault)
    if log is None:
        log = MailLog("postfix/agent", socket.gethostname(), "mail", postlog_path=os.environ.get(POSTLOG_VARIABLE, ""))
    log.write(text)
    log.close()
    if to_terminal:
        if isinstance(fault, MailriderError):
            raise fault
        raise WrongConfiguration(str(fault))
    time.sleep(FAILED_START_SECONDS)
    return 1
