"""Tables of networks: `cidr:/path`, or with the rules in braces (cidr_table(5)).

::

    192.0.2.0/24      text      an address in the network; without /24 that one address
    !192.0.2.0/24     text      an address that is not
    2001:db8::/32     text      IPv6; brackets around the address do no harm
    if 192.0.2.0/24             the rules up to endif only for these addresses; `if !` for others
    endif

The first rule that fits wins.  A rule fits addresses of its own family only, `!` and `if` too.  A key that is no address has
no value.  A rule that makes no sense is warned of and ignored.
"""

from __future__ import annotations

import socket
from typing import Final, NamedTuple

from mailrider.tables.logical_lines import BLANKS, LogicalLine
from mailrider.tables.source import TextTable

NETWORK_LIMIT_CHARACTERS: Final = 64
"""The longest address with a prefix length has 49 characters."""


class WrongNetwork(ValueError):
    """The text is no network; the message says why."""


class Network(NamedTuple):
    """Addresses of one family that agree in their first bits: `address & mask == value`."""

    bits: int
    mask: int
    value: int

    def holds(self, address: Address) -> bool:
        """Whether the address is one of these."""
        return address.bits == self.bits and address.value & self.mask == self.value


class Address(NamedTuple):
    """An address as a number, and how many bits its family has."""

    bits: int
    value: int


class NetworkRule(NamedTuple):
    """`network text`, or where `end` is not None `if network`, whose own rules end there."""

    line: int
    network: Network
    wanted: bool
    value: str
    end: int | None = None

    def fits(self, address: Address) -> bool:
        """Whether the rule is about this address."""
        return address.bits == self.network.bits and self.network.holds(address) is self.wanted


class CidrTable(TextTable[list[NetworkRule]]):
    """`cidr:`."""

    kind = "cidr"
    is_pattern = True

    def _look_up(self, rules: list[NetworkRule], key: str) -> str | None:
        address = parse_address(key)
        if address is None:
            return None
        position = 0
        while position < len(rules):
            rule = rules[position]
            position += 1
            if rule.end is None:
                if rule.fits(address):
                    return rule.value
            elif not rule.fits(address):
                position = rule.end
        return None

    def _parse(self, lines: list[LogicalLine]) -> list[NetworkRule]:
        rules: list[NetworkRule] = []
        unfinished: list[int] = []
        for number, line in lines:
            try:
                self._parse_rule(line, number, rules, unfinished)
            except WrongNetwork as trouble:
                self._warn(f"{self._place(number)}: ignored: {trouble}")
        for place in reversed(unfinished):
            rules[place] = rules[place]._replace(end=len(rules))
            self._warn(f"{self._place(rules[place].line)}: if without endif")
        return rules

    def _parse_rule(self, line: str, number: int, rules: list[NetworkRule], unfinished: list[int]) -> None:
        word = line[:5].lower()
        if word[:2] == "if" and not _is_alphanumeric(line[2:3]):
            text, wanted = _split_negation(line[2:])
            if not text:
                raise WrongNetwork("no network")
            network = parse_network(text.rstrip(BLANKS))
            unfinished.append(len(rules))
            rules.append(NetworkRule(number, network, wanted, "", len(rules) + 1))
        elif word == "endif" and not _is_alphanumeric(line[5:6]):
            if line[5:].strip(BLANKS):
                raise WrongNetwork("text after endif")
            if not unfinished:
                raise WrongNetwork("endif without if")
            place = unfinished.pop()
            rules[place] = rules[place]._replace(end=len(rules))
        else:
            text, wanted = _split_negation(line)
            stop = next((index for index, letter in enumerate(text) if letter in BLANKS), len(text))
            value = text[stop:].strip(BLANKS)
            if not text:
                raise WrongNetwork("no network")
            network = parse_network(text[:stop])
            if not value:
                raise WrongNetwork("no text after the network")
            rules.append(NetworkRule(number, network, wanted, value))


def parse_network(text: str) -> Network:
    """Take `address`, `address/length`, `[address]`, `[address]/length` or `[address/length]`.

    Raises `WrongNetwork`, also where bits after the prefix are set.
    """
    shown = text[:NETWORK_LIMIT_CHARACTERS]
    if text.startswith("["):
        inside, bracket, after = text[1:].partition("]")
        if not bracket or (after and not after.startswith("/")):
            raise WrongNetwork(f"{shown!r} has no ] at its end")
        # As Postfix: what follows the bracket hides what stands in it.
        text = inside + after if after else inside
    host, slash, length = text.partition("/")
    address = parse_address(host)
    if address is None:
        raise WrongNetwork(f"{shown!r} is no address")
    if not slash:
        return Network(address.bits, (1 << address.bits) - 1, address.value)
    if not (length.isascii() and length.isdigit()) or len(length) > 4 or int(length) > address.bits:
        raise WrongNetwork(f"{shown!r} has no prefix length of 0 to {address.bits}")
    host_bits = address.bits - int(length)
    mask = (1 << address.bits) - (1 << host_bits)
    if address.value & ~mask:
        raise WrongNetwork(
            f"{shown!r} has bits set after the prefix; {_write(address.bits, address.value & mask)}/{length} has not"
        )
    return Network(address.bits, mask, address.value)


def parse_address(text: str) -> Address | None:
    """The address that `text` is, written as inet_pton(3) wants it, or None."""
    if not text.isascii() or "\0" in text or len(text) > NETWORK_LIMIT_CHARACTERS:
        return None
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        octets = socket.inet_pton(family, text)
    except OSError:
        return None
    return Address(8 * len(octets), int.from_bytes(octets))


def _write(bits: int, value: int) -> str:
    family = socket.AF_INET if bits == 32 else socket.AF_INET6
    return socket.inet_ntop(family, value.to_bytes(bits // 8))


def _split_negation(text: str) -> tuple[str, bool]:
    """What follows the leading blanks and exclamation marks, and whether those leave it as it is."""
    rest = text.lstrip(BLANKS + "!")
    return rest, text[: len(text) - len(rest)].count("!") % 2 == 0


def _is_alphanumeric(letter: str) -> bool:
    return letter.isascii() and letter.isalnum()
