"""Lists that something matches or does not: of strings, of domains, of addresses (postconf(5), "list" parameters).

Members are separated by commas and blanks; the first that fits decides:

=================  =================================================================================================
`!member`          not this: where the member fits, the answer is no
`/file/name`       the members in this file, read when the list is opened; a line may hold several
`type:name`        a lookup table that has the subject as a key, whatever its value
`text`             the subject itself, without regard to case
`.domain`          a subdomain, where a list of domains was opened without `parent_domains`
`domain`           the domain, and with `parent_domains` its subdomains too
`net/length`       an address in this network; IPv6 addresses stand in brackets, `[2001:db8::]/32` or `[2001:db8::/32]`
=================  =================================================================================================

Known difference: an address or network that makes no sense is `WrongConfiguration` when the list is opened; Postfix
says so only when it comes to it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.braces import split_members
from mailrider.tables.cidr import Network, WrongNetwork, parse_address, parse_network
from mailrider.tables.logical_lines import Warn, quote_beginning, split_logical_lines
from mailrider.tables.opening import open_table
from mailrider.tables.source import Surroundings, ignore_warning, read_text
from mailrider.tables.table import Table, fold_key, takes_partial_keys

FILE_DEPTH_LIMIT: Final = 10
"""How deep files may name files: one that names itself must come to an end."""

MEMBERS_LIMIT: Final = 100_000
"""Members are tried one after the other; so many belong into a table."""

_ADDRESS = re.compile(r"[0-9a-fA-F.:]+")
_NETWORK = re.compile(r"[0-9a-fA-F.:/\[\]]+")


class Member(Protocol):
    """One member of a list."""

    def fits(self, subject: str) -> bool:
        """Whether `subject`, already folded, is meant.  Raises `TableTrouble`."""


class TextMember(NamedTuple):
    """A text that stands for itself."""

    text: str

    def fits(self, subject: str) -> bool:
        """Whether it is the same text."""
        return subject == self.text


class DomainMember(NamedTuple):
    """A domain, with its subdomains where `suffix` is what they end in."""

    text: str
    suffix: str | None

    def fits(self, subject: str) -> bool:
        """Whether it is this domain or one below it."""
        if subject == self.text:
            return True
        return self.suffix is not None and len(subject) > len(self.suffix) and subject.endswith(self.suffix)


class NetworkMember(NamedTuple):
    """A network."""

    network: Network

    def fits(self, subject: str) -> bool:
        """Whether it is an address in the network."""
        address = parse_address(subject)
        return address is not None and self.network.holds(address)


class TableMember(NamedTuple):
    """A table whose keys are meant."""

    table: Table

    def fits(self, subject: str) -> bool:
        """Whether the table has the subject."""
        return self.table.find(subject) is not None


class AddressTableMember(NamedTuple):
    """A table whose keys are meant, asked about addresses only."""

    table: Table

    def fits(self, subject: str) -> bool:
        """Whether the subject is an address that the table has."""
        return _ADDRESS.fullmatch(subject) is not None and self.table.find(subject) is not None


class DomainTableMember(NamedTuple):
    """A table of domains; the key for the subdomains of one is itself where `parent_domains`, else it begins with a dot."""

    table: Table
    parent_domains: bool

    def fits(self, subject: str) -> bool:
        """Whether the table has the domain or, unless it is one of patterns, one above it."""
        while subject:
            if self.table.find(subject) is not None:
                return True
            dot = subject.find(".", 1)
            if dot < 0 or not takes_partial_keys(self.table):
                return False
            subject = subject[dot + self.parent_domains :]
        return False


class Aspect(Protocol):
    """How members of a list are read for one thing that is matched: a text, a domain, or an address."""

    def read_text(self, text: str) -> Member:
        """The member that `text`, already folded, is.  Raises `WrongConfiguration`."""

    def read_table(self, table: Table) -> Member:
        """The member that a table is."""


class StringAspect:
    """Texts stand for themselves."""

    def read_text(self, text: str) -> Member:
        """The text itself."""
        return TextMember(text)

    def read_table(self, table: Table) -> Member:
        """The keys of the table."""
        return TableMember(table)


class DomainAspect(NamedTuple):
    """Texts are domains."""

    parent_domains: bool

    def read_text(self, text: str) -> Member:
        """The domain, and perhaps what is below it."""
        if self.parent_domains:
            return DomainMember(text, "." + text)
        return DomainMember(text, text if text.startswith(".") else None)

    def read_table(self, table: Table) -> Member:
        """The domains in the table."""
        return DomainTableMember(table, self.parent_domains)


class AddressAspect:
    """Texts are addresses and networks; what is neither never fits."""

    def read_text(self, text: str) -> Member:
        """The address or network."""
        if not _NETWORK.fullmatch(text) or not (text.startswith("[") or "/" in text):
            return TextMember(text)
        try:
            return NetworkMember(parse_network(text))
        except WrongNetwork as trouble:
            raise WrongConfiguration(str(trouble)) from None

    def read_table(self, table: Table) -> Member:
        """The addresses in the table."""
        return AddressTableMember(table)


class MatchList:
    """A list that is open.  `parameter` is its name, for messages."""

    __slots__ = ("_members", "parameter")

    def __init__(self, parameter: str, members: Sequence[tuple[bool, tuple[Member, ...]]]) -> None:
        self.parameter = parameter
        self._members = tuple(members)

    def __bool__(self) -> bool:
        return bool(self._members)

    def matches(self, *subjects: str) -> bool:
        """Whether the list means what `subjects` describe: one text, or in a list of hosts a name and an address.

        Raises `TableTrouble` when a table that is reached cannot answer.
        """
        folded = [fold_key(subject) for subject in subjects]
        for wanted, aspects in self._members:
            for member, subject in zip(aspects, folded, strict=True):
                if member.fits(subject):
                    return wanted
        return False


class _Reader:
    """Reads the members of one list."""

    def __init__(self, parameter: str, aspects: tuple[Aspect, ...], warn: Warn, now_seconds: Callable[[], float]) -> None:
        self._parameter = parameter
        self._aspects = aspects
        self._warn = warn
        self._now_seconds = now_seconds
        self.members: list[tuple[bool, tuple[Member, ...]]] = []

    def read(self, text: str, *, wanted: bool = True, depth: int = 0) -> None:
        """Read a list; the members of one that stands under a `!` count the other way round."""
        for item in split_members(text):
            if item.startswith("#"):
                self._warn(f"{self._parameter}: ignored a comment after other text: {quote_beginning(item)}")
                return
            pattern = item.lstrip("!")
            agrees = wanted is ((len(item) - len(pattern)) % 2 == 0)
            if not pattern:
                raise WrongConfiguration("no text after !")
            if pattern.startswith("/"):
                self._read_file(pattern, wanted=agrees, depth=depth + 1)
                continue
            self.members.append((agrees, self._read_member(pattern)))
            if len(self.members) > MEMBERS_LIMIT:
                raise WrongConfiguration(f"more than {MEMBERS_LIMIT} members; use a lookup table")

    def _read_member(self, pattern: str) -> tuple[Member, ...]:
        if not pattern.startswith("[") and ":" in pattern:
            # What is looked up has small letters, and so must the keys have: smtp(8) does not fold those of tables in lists.
            table = open_table(pattern, surroundings=Surroundings(self._warn, self._now_seconds, folds=False))
            return tuple([aspect.read_table(table) for aspect in self._aspects])
        return tuple([aspect.read_text(fold_key(pattern)) for aspect in self._aspects])

    def _read_file(self, path: str, *, wanted: bool, depth: int) -> None:
        if depth > FILE_DEPTH_LIMIT:
            raise WrongConfiguration(f"files name files more than {FILE_DEPTH_LIMIT} deep, at last {path}")
        for number, line in split_logical_lines(read_text(path), path, self._warn):
            try:
                self.read(line, wanted=wanted, depth=depth)
            except WrongConfiguration as trouble:
                raise WrongConfiguration(f"{path}, line {number}: {trouble}") from None


def _open(parameter: str, text: str, aspects: tuple[Aspect, ...], warn: Warn, now_seconds: Callable[[], float]) -> MatchList:
    reader = _Reader(parameter, aspects, warn, now_seconds)
    try:
        reader.read(text)
    except WrongConfiguration as trouble:
        raise WrongConfiguration(f"{parameter}: {trouble}") from None
    return MatchList(parameter, reader.members)


def open_string_list(
    parameter: str, text: str, *, warn: Warn = ignore_warning, now_seconds: Callable[[], float] = time.monotonic
) -> MatchList:
    """A list of texts.  Raises `WrongConfiguration`, as do all of these."""
    return _open(parameter, text, (StringAspect(),), warn, now_seconds)


def open_domain_list(
    parameter: str,
    text: str,
    *,
    parent_domains: bool,
    warn: Warn = ignore_warning,
    now_seconds: Callable[[], float] = time.monotonic,
) -> MatchList:
    """A list of domains; `parent_domains` is whether `parent_domain_matches_subdomains` holds this parameter's name."""
    return _open(parameter, text, (DomainAspect(parent_domains),), warn, now_seconds)


def open_host_list(
    parameter: str,
    text: str,
    *,
    parent_domains: bool,
    warn: Warn = ignore_warning,
    now_seconds: Callable[[], float] = time.monotonic,
) -> MatchList:
    """A list of hosts, each by its name or its address: `matches(name, address)`."""
    return _open(parameter, text, (DomainAspect(parent_domains), AddressAspect()), warn, now_seconds)


def take_trouble_as_no(members: MatchList, warn: Warn) -> Callable[..., bool]:
    """`matches` of a list that decides nothing of weight: where a table cannot answer it is no, and `warn` hears why."""

    def matches(*subjects: str) -> bool:
        try:
            return members.matches(*subjects)
        except TableTrouble as trouble:
            warn(str(trouble))
            return False

    return matches
