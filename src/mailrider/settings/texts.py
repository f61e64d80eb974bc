"""`Texts`: what main.cf says, before it is read as values: what was set, defaults for the rest, references expanded.

An expansion sees what postconf(1) sees: every name that was set, the defaults of all declared parameters whatever the
transport, and an empty text for the rest.  (smtp(8) by itself would not know the defaults of `lmtp_` parameters.)

What can go wrong: a malformed reference is `WrongConfiguration`.  `cite` shows a setting as every message about it does,
without passwords, printable and short.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mailrider.errors import BrokenPromise, WrongConfiguration
from mailrider.model.printable import make_printable
from mailrider.model.texts import hide_values, hides_values
from mailrider.settings.catalogue import Catalogue
from mailrider.settings.expansion import expand
from mailrider.settings.maincf import Entry

DEFAULT_DOMAIN = "localdomain"
"""`mydomain` of a host whose name has no dot."""

VALUE_SHOWN_CHARACTERS = 80
"""A sentence with a longer value in it is not read."""


class HostFacts(NamedTuple):
    """What the settings have to know of the world; `machine` finds it out.

    `host_name` is what the system calls itself (gethostname(2)), with or without a domain.  `networks` are those of the
    interfaces, the default of `mynetworks`.
    """

    host_name: str
    process_id: int = 0
    process_name: str = "smtp"
    service_name: str = "smtp"
    networks: tuple[str, ...] = ()


class Texts:
    """The values of one main.cf as text.  `entries` is what was set, `directory` where main.cf lies, empty for none."""

    __slots__ = ("_computing", "directory", "entries", "host")

    def __init__(self, entries: Mapping[str, Entry], host: HostFacts, directory: str = "") -> None:
        self.entries = entries
        self.host = host
        self.directory = directory
        self._computing: set[str] = set()

    def find_entry(self, name: str) -> Entry | None:
        """What the operator set; None also where he is not heard (`Parameter.read_only`)."""
        entry = self.entries.get(name)
        if entry is not None:
            parameter = Catalogue.find(name)
            if parameter is not None and parameter.read_only:
                return None
        return entry

    def default(self, name: str) -> str | None:
        """The unexpanded default of `name`, or None for a name that is not declared."""
        parameter = Catalogue.find(name)
        if parameter is None:
            return None
        return self._compute(name) if parameter.computed else parameter.default_of(name)

    def raw(self, name: str) -> str | None:
        """The unexpanded value of `name`, or None for a name that is neither set nor declared."""
        entry = self.find_entry(name)
        return entry.value if entry is not None else self.default(name)

    def expanded(self, name: str) -> str:
        """The value of `name`, empty for an unknown one; raises `WrongConfiguration`."""
        raw = self.raw(name)
        return self.expand(name, raw) if raw else ""

    def expand(self, name: str, raw: str) -> str:
        """`raw` with its references filled in, as a value of `name`; raises `WrongConfiguration`."""
        try:
            return expand(raw, self.raw)
        except WrongConfiguration as error:
            reason = hide_values(str(error)) if hides_values(name) else error
            raise WrongConfiguration(f"{self.cite(name)}: {reason}") from None

    def cite(self, name: str) -> str:
        """A setting as an error message shows it: with file and line, or as an option, or as a default."""
        entry = self.find_entry(name)
        if entry is None:
            return f"{name} = {show_value(self.default(name) or '')} (the default)"
        value = show_value(hide_values(entry.value) if hides_values(name) else entry.value)
        return f"{entry.place}: {name} = {value}" if entry.line else f"-o {name}={value}"

    def _compute(self, name: str) -> str:
        """Defaults that depend on the host; empty where one is asked for while it is being found."""
        if name in self._computing:
            return ""
        self._computing.add(name)
        try:
            return self._ask_host(name)
        finally:
            self._computing.discard(name)

    def _ask_host(self, name: str) -> str:
        host = self.host
        match name:
            case "myhostname":
                if "." in host.host_name:
                    return host.host_name
                domain = self.expanded("mydomain") if self.find_entry("mydomain") is not None else DEFAULT_DOMAIN
                return f"{host.host_name}.{domain}"
            case "mydomain":
                _, dot, domain = self.expanded("myhostname").partition(".")
                return domain if dot else DEFAULT_DOMAIN
            case "mynetworks":
                return " ".join(host.networks)
            case "config_directory":
                return self.directory or Catalogue.config_directory.default
            case "process_id":
                return str(host.process_id)
            case "process_name":
                return host.process_name
            case "service_name":
                return host.service_name
        raise BrokenPromise(f"{name} has no computed default")


def show_value(text: str) -> str:
    """A value for a message: printable and not too long."""
    shown = text.encode("utf-8", "backslashreplace").decode("utf-8")
    shown = make_printable(shown)
    return shown if len(shown) <= VALUE_SHOWN_CHARACTERS else shown[:VALUE_SHOWN_CHARACTERS] + "..."

