"""A name service in memory, and servers that are found in it."""

from __future__ import annotations

from collections.abc import Mapping

from mailrider.model.server import Family, Server
from mailrider.resolver.answer import Answer, HostAddresses, Record, Search, Verdict

SERVER = Server("mx.example.com", "192.0.2.1", 25, Family.IPV4, 10, True, "mx.example.com", "mx.example.com")
EXCHANGER = Record("MX", "example.com", "mx.example.com", 10, secure=True)


def tlsa(*data: str, secure: bool = True) -> Answer:
    """TLSA records."""
    return Answer(Verdict.FOUND, tuple(Record("TLSA", "x", each, secure=secure) for each in data))


class Zone:
    """Answers by `name/TYPE`; what is not there is not found."""

    def __init__(self, answers: Mapping[str, Answer], *, validates: bool = True) -> None:
        root = Answer(Verdict.FOUND, (Record("NS", "", "ns.example", secure=validates),))
        self.answers = {"./NS": root, **answers}
        self.asked: list[str] = []

    async def ask(self, name: str, types: tuple[str, ...], *, dnssec: bool = False, search: Search = Search.NONE) -> Answer:
        assert dnssec
        self.asked.append(f"{name}/{types[0]}")
        return self.answers.get(self.asked[-1], Answer(Verdict.NOT_FOUND))

    async def ask_host(self, host: str, family: object = None) -> HostAddresses:
        raise AssertionError("nobody asks for this")
