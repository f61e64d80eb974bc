"""A small name server for tests and for `mailrider demo`: a zone of text lines, faults on request, UDP and TCP.

Records are lines `name type data` (`example.test MX 10 mx1.example.test`), names without a final dot.  A fault makes one
question go wrong: `{"example.test/MX": "SERVFAIL"}`, `name/*` for all types; the words are those of `Fault`.  The AD bit is
set for names under those listed as `secure`, where the client asks for it.  Everything is deterministic: records come in
the order given.

Three ways to ask: `ZoneServer` over loopback sockets, `ZoneExchange` as the wire of a `StubResolver` without sockets,
`ZoneResolver` as a `Resolver` without packets.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, cast

from mailrider.errors import WrongUsage
from mailrider.model.server import Family
from mailrider.resolver import reason
from mailrider.resolver.answer import RECORDS_LIMIT, Answer, HostAddresses, Record, Search, Verdict, combine
from mailrider.resolver.hostname import is_valid_address, is_valid_hostname
from mailrider.resolver.packet import PACKET_LIMIT_OCTETS
from mailrider.resolver.system import NameServer

if TYPE_CHECKING:
    import dns.message
    import dns.rrset

ALIASES_IN_A_PACKET = 12
"""CNAME records that one answer follows; more have to be asked for again."""
BIND_ATTEMPTS = 20
"""Times a port is tried of which TCP may hold what UDP has got."""
NEGATIVE_TTL_SECONDS = 60
"""For how long a no may be believed: the last field of the SOA record (RFC 2308 §4)."""


class Fault(enum.Enum):
    """The ways in which a question can be made to go wrong."""

    SERVFAIL = "SERVFAIL"
    REFUSED = "REFUSED"
    NOTIMP = "NOTIMP"
    FORMERR = "FORMERR"
    NXDOMAIN = "NXDOMAIN"
    NODATA = "NODATA"
    TIMEOUT = "TIMEOUT"
    TRUNCATE = "TRUNCATE"
    """The datagram says that it does not hold the answer; TCP does."""
    GARBAGE = "GARBAGE"
    """Something too short to be a packet comes back."""


_FAILURES = {
    Fault.SERVFAIL: reason.Failure.TRY_AGAIN,
    Fault.REFUSED: reason.Failure.TRY_AGAIN,
    Fault.NOTIMP: reason.Failure.TRY_AGAIN,
    Fault.TIMEOUT: reason.Failure.TRY_AGAIN,
    Fault.GARBAGE: reason.Failure.TRY_AGAIN,
    Fault.FORMERR: reason.Failure.NO_RECOVERY,
    Fault.NXDOMAIN: reason.Failure.HOST_NOT_FOUND,
    Fault.NODATA: reason.Failure.NO_DATA,
}


class Trace(NamedTuple):
    """Where a question leads: the aliases on the way, the data at the end, the fault that stops it."""

    aliases: tuple[tuple[str, str], ...]
    owner: str
    data: tuple[str, ...]
    fault: Fault | None
    secure: bool


class Zone:
    """The records, the `faults`, and who has asked what (`asked`: name, type, `udp` or `tcp`)."""

    def __init__(
        self,
        records: Iterable[str] = (),
        *,
        faults: Mapping[str, str] | None = None,
        secure: bool | Iterable[str] = False,
        ttl_seconds: int = 60,
    ) -> None:
        self.ttl_seconds = ttl_seconds
        self.asked: list[tuple[str, str, str]] = []
        self._records: dict[str, list[tuple[str, str]]] = {}
        self.faults = {_fold_key(key): _fault(word) for key, word in (faults or {}).items()}
        self._secure = secure if isinstance(secure, bool) else tuple(_fold(name) for name in secure)
        for line in records:
            self.add(line)

    def add(self, line: str) -> None:
        """Add one record; raises `WrongUsage` for a line that is none."""
        import dns.exception

        fields = line.split(None, 2)
        if len(fields) != 3:
            raise WrongUsage(f"a record is 'name type data', not {line!r}")
        name, record_type, data = _fold(fields[0]), fields[1].upper(), fields[2]
        try:
            _make_rrset(name, record_type, 0, data)
        except (dns.exception.DNSException, ValueError) as trouble:
            raise WrongUsage(f"not a record: {line!r}: {trouble}") from trouble
        self._records.setdefault(name, []).append((record_type, data))

    def trace(self, name: str, record_type: str) -> Trace:
        """Follow `name` to its end, or to `ALIASES_IN_A_PACKET` aliases."""
        aliases: list[tuple[str, str]] = []
        current = _fold(name)
        secure = True
        for _ in range(ALIASES_IN_A_PACKET):
            secure = secure and self._is_secure(current)
            fault = self.faults.get((current, record_type)) or self.faults.get((current, "*"))
            if fault and fault is not Fault.TRUNCATE:
                return Trace(tuple(aliases), current, (), fault, secure)
            here = self._records.get(current, [])
            data = tuple(text for kind, text in here if kind == record_type)
            alias = next((text for kind, text in here if kind == "CNAME"), None)
            if data or alias is None:
                missing = None if data or here or self._is_above(current) else Fault.NXDOMAIN
                return Trace(tuple(aliases), current, data, fault or missing, secure)
            aliases.append((current, _fold(alias)))
            current = _fold(alias)
        return Trace(tuple(aliases), current, (), None, secure)

    def _is_above(self, name: str) -> bool:
        """True for a name that has no records but has names below it (RFC 8020)."""
        return any(other.endswith("." + name) for other in self._records)

    def _is_secure(self, name: str) -> bool:
        if isinstance(self._secure, bool):
            return self._secure
        return any(name == top or name.endswith("." + top) for top in self._secure)

    def answer(self, query: bytes, *, stream: bool) -> bytes | None:
        """The packet that answers a packet, or None for silence (also to what is no question)."""
        import dns.exception
        import dns.flags
        import dns.message
        import dns.rdatatype

        try:
            message = dns.message.from_wire(query)
        except (dns.exception.DNSException, ValueError):
            return None
        if len(message.question) != 1 or message.flags & dns.flags.QR:
            return None
        question = message.question[0]
        name = _fold(question.name.to_text())
        record_type = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, record_type, "tcp" if stream else "udp"))
        trace = self.trace(name, record_type)
        if trace.fault is Fault.TIMEOUT:
            return None
        if trace.fault is Fault.GARBAGE:
            return query[:2] + b"\x81\x80" + b"\xff" * 7
        response = dns.message.make_response(message, recursion_available=True)
        if trace.fault is Fault.TRUNCATE and not stream:
            response.flags |= dns.flags.TC
            return response.to_wire()
        self._fill(response, trace, record_type)
        asks_for_ad = bool(message.flags & dns.flags.AD or message.ednsflags & dns.flags.DO)
        if trace.secure and asks_for_ad:
            response.flags |= dns.flags.AD
        size_limit = PACKET_LIMIT_OCTETS if stream else message.payload or 512
        return response.to_wire(max_size=size_limit, prefer_truncation=True, want_shuffle=False)

    def _fill(self, response: dns.message.Message, trace: Trace, record_type: str) -> None:
        """Put records and response code into a packet."""
        import dns.rcode

        for owner, target in trace.aliases:
            response.answer.append(_make_rrset(owner, "CNAME", self.ttl_seconds, target))
        if trace.data:
            response.answer.append(_make_rrset(trace.owner, record_type, self.ttl_seconds, *trace.data))
        elif trace.fault in (Fault.NXDOMAIN, Fault.NODATA, None):
            top = trace.owner.rpartition(".")[2] or "invalid"
            soa = f"ns.invalid hostmaster.invalid 1 3600 600 86400 {NEGATIVE_TTL_SECONDS}"
            response.authority.append(_make_rrset(top, "SOA", self.ttl_seconds, soa))
        if trace.fault not in (None, Fault.NODATA, Fault.TRUNCATE):
            response.set_rcode(dns.rcode.from_text(trace.fault.value))


def _make_rrset(owner: str, record_type: str, ttl_seconds: int, *data: str) -> dns.rrset.RRset:
    """Records of one name and type; raises what dnspython raises for texts that are none."""
    import dns.name
    import dns.rdataclass
    import dns.rdatatype
    import dns.rrset

    name, number = dns.name.from_text(owner), dns.rdatatype.from_text(record_type)
    return dns.rrset.from_text_list(name, ttl_seconds, dns.rdataclass.IN, number, data, origin=dns.name.root, relativize=False)


def _fold(name: str) -> str:
    return name.rstrip(".").lower()


def _fold_key(key: str) -> tuple[str, str]:
    name, _, record_type = key.rpartition("/")
    return _fold(name), record_type.upper()


def _fault(word: str) -> Fault:
    try:
        return Fault(word)
    except ValueError:
        raise WrongUsage(f"no fault is called {word!r}; there are {', '.join(fault.value for fault in Fault)}") from None


class ZoneServer:
    """Serves a zone on a loopback address, UDP and TCP on one port, while the `async with` block runs.

    `address` and `port` say where; port 0 takes a free one.
    """

    def __init__(
        self,
        records: Iterable[str] | Zone = (),
        *,
        faults: Mapping[str, str] | None = None,
        secure: bool | Iterable[str] = False,
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.zone = records if isinstance(records, Zone) else Zone(records, faults=faults, secure=secure)
        self.address = address
        self.port = port
        self._datagrams: asyncio.DatagramTransport | None = None
        self._streams: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> ZoneServer:
        loop = asyncio.get_running_loop()
        wanted = self.port
        for attempt in range(BIND_ATTEMPTS):
            transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self.zone), local_addr=(self.address, wanted))
            self.port = transport.get_extra_info("sockname")[1]
            try:
                self._streams = await asyncio.start_server(self._take_stream, self.address, self.port)
            except OSError:
                transport.abort()
                if wanted or attempt == BIND_ATTEMPTS - 1:
                    raise
            else:
                self._datagrams = transport
                break
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._datagrams:
            self._datagrams.abort()
        if self._streams:
            self._streams.close()
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)
            await self._streams.wait_closed()

    @property
    def name_server(self) -> NameServer:
        """Where to ask."""
        return NameServer(self.address, self.port)

    def _take_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection in a task that `__aexit__` can end."""
        task = asyncio.get_running_loop().create_task(self._serve_stream(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one question and close."""
        try:
            size = int.from_bytes(await reader.readexactly(2), "big")
            answer = self.zone.answer(await reader.readexactly(size), stream=True)
            if answer is not None:
                writer.write(len(answer).to_bytes(2, "big") + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # event loops do not derive theirs from it

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._zone.answer(data, stream=False)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


class ZoneExchange:
    """The wire of a `StubResolver` without sockets; silence is a time-out at once."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone

    async def ask_datagram(
        self, server: NameServer, query: bytes, is_reply: Callable[[bytes], bool], timeout_seconds: float
    ) -> bytes:
        """See `resolver.exchange.Exchange`."""
        answer = self.zone.answer(query, stream=False)
        if answer is None or not is_reply(answer):
            raise TimeoutError
        return answer

    async def ask_stream(self, server: NameServer, query: bytes, timeout_seconds: float) -> bytes:
        """See `resolver.exchange.Exchange`."""
        answer = self.zone.answer(query, stream=True)
        if answer is None:
            raise TimeoutError
        return answer


class ZoneResolver:
    """A `Resolver` that reads the zone itself.  `hosts` stands for /etc/hosts; the search list is always empty."""

    def __init__(self, zone: Zone, hosts: Mapping[str, Iterable[str] | HostAddresses] | None = None) -> None:
        self.zone = zone
        self.hosts = dict(hosts or {})

    async def ask(self, name: str, types: tuple[str, ...], *, dnssec: bool = False, search: Search = Search.NONE) -> Answer:
        """See `resolver.answer.Resolver`."""
        return combine(self._look_up(name, each, dnssec) for each in types)

    async def ask_host(self, host: str, family: Family | None = None) -> HostAddresses:
        """See `resolver.answer.Resolver`."""
        known = self.hosts.get(host)
        if isinstance(known, HostAddresses):
            return known
        fits = [each for each in known or () if family is None or (":" in each) == (family is Family.IPV6)]
        if not fits:
            return HostAddresses((), error="Name or service not known", not_found=True)
        return HostAddresses(tuple(fits))

    def _look_up(self, name: str, record_type: str, dnssec: bool) -> Answer:
        refusal = reason.refuse_name(name)
        if refusal:
            return refusal
        for _ in range(10):
            self.zone.asked.append((name, record_type, "udp"))
            trace = self.zone.trace(name, record_type)
            dnssec = dnssec and (trace.secure or not trace.aliases)
            if trace.data:
                return self._read(name, record_type, trace, dnssec and trace.secure)
            if trace.fault in _FAILURES:
                return reason.tell_failure(_FAILURES[trace.fault], name, record_type, self._negative_ttl(trace.fault))
            if not trace.aliases:
                return reason.tell_failure(reason.Failure.NO_DATA, name, record_type, self._negative_ttl(Fault.NODATA))
            name = trace.aliases[-1][1]
        return reason.tell_loop(name)

    def _negative_ttl(self, fault: Fault) -> int:
        known = fault in (Fault.NXDOMAIN, Fault.NODATA)
        return min(self.zone.ttl_seconds, NEGATIVE_TTL_SECONDS) if known else 0

    def _read(self, name: str, record_type: str, trace: Trace, secure: bool) -> Answer:
        """Make an answer of the texts of a zone."""
        records: list[Record] = []
        warnings: list[str] = []
        ttl_seconds = self.zone.ttl_seconds
        for text in trace.data:
            record = _parse(record_type, trace.owner, text)
            if record_type in ("MX", "SRV") and not record.data:
                tell = reason.tell_null_mx if record_type == "MX" else reason.tell_null_srv
                return tell(name, ttl_seconds)
            if record_type in ("MX", "SRV", "CNAME"):
                where = f"domain name in resource data of {record_type} record for {name}: {record.data}"
                if is_valid_address(record.data):
                    warnings.append(f"numeric {where}")
                elif not is_valid_hostname(record.data, wildcard=True):
                    warnings.append(f"malformed {where}")
                    continue
            records.append(record._replace(ttl_seconds=ttl_seconds, secure=secure))
        if not records:
            return reason.tell_malformed(Verdict.INVALID, name, record_type, tuple(warnings))
        return Answer(Verdict.FOUND, tuple(records[:RECORDS_LIMIT]), "", ttl_seconds, tuple(warnings))


def _parse(record_type: str, owner: str, text: str) -> Record:
    fields = text.split()
    if record_type == "MX":
        return Record(record_type, owner, fields[1].rstrip("."), int(fields[0]))
    if record_type == "SRV":
        return Record(record_type, owner, fields[3].rstrip("."), int(fields[0]), int(fields[1]), int(fields[2]))
    if record_type == "TLSA":
        return Record(record_type, owner, " ".join(fields[:3]) + " " + "".join(fields[3:]).lower())
    return Record(record_type, owner, text.rstrip(".") if record_type == "CNAME" else text.strip('"'))
