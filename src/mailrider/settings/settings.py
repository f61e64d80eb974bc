"""`Settings`: every parameter as a typed attribute, bound to a transport.

Settings are made by `loading.load_settings` and never change.  A value is expanded and parsed when it is first read and
costs an attribute access from then on.  `bind` gives the same settings for the other protocol.

What can go wrong: a value that its kind does not accept, or a malformed reference, is `WrongConfiguration` with file and line
at the first access; `check` finds it earlier.

What a value is as text, before it is parsed, is the affair of `texts`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar, overload

from mailrider.errors import WrongConfiguration
from mailrider.model.request import Transport
from mailrider.model.texts import hide_values, hides_values
from mailrider.settings.catalogue import Catalogue
from mailrider.settings.catalogue.connections import Pace
from mailrider.settings.kinds import Rate
from mailrider.settings.maincf import Entry
from mailrider.settings.mastercf import NO_SERVICES, MasterCf, parse_orders
from mailrider.settings.parameter import FAMILY_PREFIX, Parameter, WrongValue
from mailrider.settings.texts import HostFacts, Texts, show_value

T = TypeVar("T")

IntegerFamily = Literal[
    "destination_concurrency_limit",
    "destination_recipient_limit",
    "initial_destination_concurrency",
    "destination_concurrency_failed_cohort_limit",
    "recipient_limit",
    "extra_recipient_limit",
    "recipient_refill_limit",
    "minimum_delivery_slots",
    "delivery_slot_cost",
    "delivery_slot_loan",
    "delivery_slot_discount",
]
TimeFamily = Literal["destination_rate_delay", "transport_rate_delay", "recipient_refill_delay"]
RateFamily = Literal["destination_concurrency_positive_feedback", "destination_concurrency_negative_feedback"]


class Settings(Catalogue):
    """What the operator said, with defaults for the rest."""

    transport: Transport
    host: HostFacts
    directory: str
    entries: Mapping[str, Entry]
    """What was set, in the order of the file and then of the options."""
    warnings: tuple[str, ...]
    """What looked wrong in the file, as log lines without `warning: `."""
    services: MasterCf
    """What master.cf says."""
    delivery_flags: str
    """The letters of `flags=` in master.cf (smtp(8)): `D`, `O`, `R`, `X`.  Those of a service: see `for_service`."""
    _texts: Texts

    def __init__(
        self,
        entries: Mapping[str, Entry],
        host: HostFacts,
        *,
        transport: Transport = Transport.SMTP,
        directory: str = "",
        warnings: tuple[str, ...] = (),
        services: MasterCf = NO_SERVICES,
        delivery_flags: str = "",
    ) -> None:
        self.__dict__.update(entries=entries, host=host, transport=transport, directory=directory, warnings=warnings)
        self.__dict__.update(services=services, delivery_flags=delivery_flags)
        self.__dict__.update(_bound={transport: self}, _serving={}, _texts=Texts(entries, host, directory))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"settings are frozen: {name}")

    def __repr__(self) -> str:
        return f"<Settings for {self.transport.value}, {len(self.entries)} set>"

    def bind(self, transport: Transport) -> Settings:
        """The same settings read for `transport`: made once, and `self` where nothing changes."""
        bound: dict[Transport, Settings] = self.__dict__["_bound"]
        if transport not in bound:
            made = self._remake(self.entries, self.host, transport, self.delivery_flags, self.warnings)
            made.__dict__["_bound"] = bound
            bound[transport] = made
        return bound[transport]

    def for_service(self, service: str, transport: Transport) -> Settings:
        """What holds for one service of master.cf, read for `transport`; made once.

        Its `-o` settings win over main.cf, and the options of our own command line over both.  `$service_name` is its
        name and `$process_name` its program, whether or not it stands in master.cf.  Its `warnings` are only those that
        concern the service.
        """
        serving: dict[tuple[str, Transport], Settings] = self.__dict__["_serving"]
        if (service, transport) not in serving:
            entries, flags = self.entries, self.delivery_flags
            warnings: tuple[str, ...] = ()
            found = self.services.delivery_agent(service)
            if found is not None and found.transport is transport:
                overrides, flags = parse_orders(found)
                options = {name: entry for name, entry in entries.items() if not entry.line}
                entries = {**entries, **overrides, **options}
                warnings = tuple(_name_unheard(overrides))
            host = self.host._replace(service_name=service, process_name=transport.value)
            serving[service, transport] = self._remake(entries, host, transport, flags, warnings)
        return serving[service, transport]

    def _remake(
        self, entries: Mapping[str, Entry], host: HostFacts, transport: Transport, flags: str, warnings: tuple[str, ...]
    ) -> Settings:
        return Settings(
            entries,
            host,
            transport=transport,
            directory=self.directory,
            warnings=warnings,
            services=self.services,
            delivery_flags=flags,
        )

    # Text

    def default_text(self, name: str) -> str | None:
        """The unexpanded default of `name`, or None for a name that is not declared."""
        return self._texts.default(name)

    def raw_text(self, name: str) -> str | None:
        """The unexpanded value of `name`, or None for a name that is neither set nor declared."""
        return self._texts.raw(name)

    def text(self, name: str) -> str:
        """The expanded value of `name`, empty for an unknown one; raises `WrongConfiguration`."""
        return self._texts.expanded(name)

    def is_set(self, name: str) -> bool:
        """Whether the operator set `name`."""
        return self._texts.find_entry(name) is not None

    def find_text(self, name: str) -> str | None:
        """The value of a parameter, expanded, or None where it is not set, declared or not."""
        return self.text(name) if self.is_set(name) else None

    # Values

    def resolve(self, parameter: Parameter[T]) -> T:
        """The typed value of `parameter` for the bound transport."""
        return self._parse(parameter, parameter.name_for(self.transport))

    def _parse(self, parameter: Parameter[T], name: str) -> T:
        text = self.text(name)
        try:
            return parameter.parse(text)
        except WrongValue as error:
            shown = show_value(hide_values(text) if hides_values(name) else text) or "nothing"
            meant = "" if self.raw_text(name) == text else f" (that is, {shown})"
            raise WrongConfiguration(f"{self._texts.cite(name)}{meant}: expected {error}") from None

    @overload
    def of_service(self, service: str, suffix: IntegerFamily) -> int: ...

    @overload
    def of_service(self, service: str, suffix: TimeFamily) -> float: ...

    @overload
    def of_service(self, service: str, suffix: RateFamily) -> Rate: ...

    def of_service(self, service: str, suffix: str) -> int | float | Rate:
        """A parameter of one service: `of_service("relay", "destination_concurrency_limit")`.

        `service` is the name in master.cf.  Where `relay_destination_concurrency_limit` is not set it is
        `default_destination_concurrency_limit`, and so on (postconf(5), "transport_...").
        """
        name = f"{service}_{suffix}"
        if name not in self.__dict__:
            declared = self.find(name)
            if declared is not None:
                self.__dict__[name] = self._parse(declared, name)
            else:
                family = self.declared[f"{FAMILY_PREFIX}_{suffix}"]
                self.__dict__[name] = self._parse(family, family.name)
        value: int | float | Rate = self.__dict__[name]
        return value

    # What the operator should hear

    def check(self) -> None:
        """Raise `WrongConfiguration` for the first of `problems`."""
        for problem in self.problems():
            raise WrongConfiguration(problem)

    def problems(self) -> Iterator[str]:
        """One sentence for each setting that is wrong: every declared parameter that was set is parsed, in effect or not."""
        names = ["compatibility_level", "myhostname", "mydomain", "relayhost", "myorigin"]
        names += [name for name in self.entries if name not in names]
        for name in names:
            parameter = self.find(name)
            if parameter is None:
                continue
            try:
                self._parse(parameter, name)
                if name in ("myhostname", "myorigin"):
                    self._refuse_self_relay(name)
            except WrongConfiguration as error:
                yield str(error)

    def _refuse_self_relay(self, name: str) -> None:
        """A relay host that is this host would get its own mail for ever."""
        relayhost = self.text("relayhost")
        if relayhost and self.text(name).lower() == relayhost.lower():
            raise WrongConfiguration(f"{self._texts.cite('relayhost')}: mail would come back, since that is {name}")

    def _changed(self) -> Iterator[tuple[str, Parameter[Any]]]:
        """The declared names that were set to something else than their default, in the order of the file."""
        for name in self.entries:
            parameter = self.find(name)
            if parameter is not None and (parameter.read_only or not self._is_default(name, parameter)):
                yield name, parameter

    def _is_default(self, name: str, parameter: Parameter[Any]) -> bool:
        raw, default = self.raw_text(name), self.default_text(name) or ""
        if raw == default:
            return True
        try:
            return bool(self._parse(parameter, name) == parameter.parse(self._texts.expand(name, default)))
        except (WrongConfiguration, WrongValue):
            return False

    def not_in_effect(self) -> list[str]:
        """Names that were set to something else than their default and do nothing yet.

        What Postfix does not know any more either, and what there is no place for here, is not among them: see `obsolete`.
        """
        return [
            name
            for name, parameter in self._changed()
            if not parameter.in_effect and not parameter.moot and (parameter.listed or parameter.family)
        ]

    def obsolete(self) -> list[str]:
        """One sentence for each name that was set in vain: why, and what to set instead.

        That is an obsolete or read-only one, whatever its value, and one that there is no place for (`Parameter.moot`).
        """
        sentences = []
        for name in self.entries:
            parameter = self.find(name)
            if parameter is None:
                continue
            if parameter.read_only:
                sentences.append(f"{name} cannot be set")
            elif parameter.moot:
                if not self._is_default(name, parameter):
                    sentences.append(f"{name} has nothing to act on here: {parameter.moot}")
            elif parameter.obsolete:
                instead = parameter.replaced_by
                if name != parameter.name and instead.startswith("smtp_"):
                    instead = "lmtp_" + instead.removeprefix("smtp_")
                sentences.append(f"{name} is obsolete: {parameter.obsolete}" + (f"; set {instead}" if instead else ""))
        return sentences


def _name_unheard(overrides: Mapping[str, Entry]) -> Iterator[str]:
    """What a service sets for itself in vain: the queue decides by main.cf alone (smtp(8), "-o" and scheduling)."""
    for name, entry in overrides.items():
        parameter = Settings.find(name)
        if parameter is not None and (parameter.family or parameter.section == Pace.title):
            yield f"{entry.place}: -o {name} has no effect in master.cf; set it in main.cf"
