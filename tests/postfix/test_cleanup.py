"""Handing mail to a cleanup(8) that takes it, refuses it, speaks something else, or is not there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.attributes.plain import AttributeReader, encode_attributes
from mailrider.events import Event, SessionBlamed, Warned
from mailrider.machine import SystemClock
from mailrider.model.request import Transport
from mailrider.model.server import Family, Server
from mailrider.postfix.cleanup import CLEANUP_PROTOCOL, Cleanup, encode_message, make_postmaster, read_flags
from mailrider.postfix.installation import read_installation
from mailrider.postfix.services import ServiceFailed
from mailrider.settings import HostFacts, Settings, load_settings

GREETING = encode_attributes([("protocol", CLEANUP_PROTOCOL), ("queue_id", "4QID")])
TAKEN = encode_attributes([("status", 0), ("reason", "")])
END = b"X\0E\0"


def records_of(octets: bytes) -> Iterator[tuple[str, str]]:
    """The records of a message, as record(3) reads them."""
    position = 0
    while position < len(octets):
        kind = chr(octets[position])
        position += 1
        length = shift = 0
        while True:
            octet = octets[position]
            position += 1
            length |= (octet & 0x7F) << shift
            shift += 7
            if not octet & 0x80:
                break
        yield kind, octets[position : position + length].decode()
        position += length


class Taken:
    """What a cleanup(8) was given."""

    def __init__(self) -> None:
        self.flags = -1
        self.records: list[tuple[str, str]] = []

    def take(self, octets: bytes) -> None:
        """The list of attributes, and the records behind it."""
        if octets:
            attributes = AttributeReader()
            attributes.feed(octets)
            found = attributes.take()
            assert found is not None
            self.flags = found.integer(b"flags")
            self.records = list(records_of(octets[len(octets) - attributes.pending_octets :]))


@asynccontextmanager
async def cleanup_at(path: str, greeting: bytes = GREETING, answer: bytes = TAKEN) -> AsyncIterator[Taken]:
    """A cleanup(8) for one message."""
    taken = Taken()
    done = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(greeting)
            with suppress(asyncio.IncompleteReadError):
                octets = await reader.readuntil(END) if greeting else b""
                taken.take(octets)
                writer.write(answer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        finally:
            done.set()

    async with await asyncio.start_unix_server(handle, path):
        yield taken
        await done.wait()


def submit(tmp_path: Path, greeting: bytes = GREETING, answer: bytes = TAKEN, *, announces: bool = True) -> tuple[str, Taken]:
    async def main() -> tuple[str, Taken]:
        path = str(tmp_path / "cleanup")
        async with cleanup_at(path, greeting, answer) as taken:
            cleanup = Cleanup(path, announces=announces, answer_seconds=60)
            try:
                queue_id = await cleanup.submit("s@x", "r@x", 34, 1.5, lambda queue_id: [f"Id: {queue_id}", "", "text"])
            except ServiceFailed as failed:
                return str(failed), taken
            return queue_id, taken

    return asyncio.run(main())


def test_a_message_is_handed_over_with_its_envelope(tmp_path: Path) -> None:
    queue_id, taken = submit(tmp_path)
    assert (queue_id, taken.flags) == ("4QID", 34)
    assert taken.records == [
        ("T", "1 500000"), ("A", "log_message_origin=local"), ("A", "trace_flags=0"), ("S", "s@x"), ("R", "r@x"), ("M", ""),
        ("N", "Id: 4QID"), ("N", ""), ("N", "text"), ("X", ""), ("E", ""),
    ]  # fmt: skip


def test_before_postfix_3_6_nobody_says_what_he_speaks(tmp_path: Path) -> None:
    assert submit(tmp_path, encode_attributes([("queue_id", "4QID")]), announces=False)[0] == "4QID"


@pytest.mark.parametrize(
    ("greeting", "answer", "reason"),
    [
        (GREETING, encode_attributes([("status", 2), ("reason", "full")]), "refused with status 2"),
        (GREETING, b"", "the service has hung up"),
        (b"", b"", "the service has hung up"),
        (encode_attributes([("protocol", "other"), ("queue_id", "x")]), TAKEN, "it speaks 'other' and not cleanup_protocol"),
        (encode_attributes([("queue_id", "x")]), TAKEN, "the attribute queue_id stands where protocol should"),
        (GREETING, encode_attributes([("reason", "?")]), "the attribute reason stands where status should"),
    ],
)
def test_what_can_go_wrong_is_told(tmp_path: Path, greeting: bytes, answer: bytes, reason: str) -> None:
    assert submit(tmp_path, greeting, answer)[0] == f"{tmp_path}/cleanup: {reason}"


def test_nobody_there() -> None:
    async def main() -> None:
        with pytest.raises(ServiceFailed, match="/nowhere/cleanup: No such file"):
            await Cleanup("/nowhere/cleanup", announces=True, answer_seconds=60).submit("s", "r", 0, 0.0, lambda _: [])

    asyncio.run(main())


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=400)))
def test_records_hold_lines_of_any_length(lines: list[str]) -> None:
    read = list(records_of(encode_message("s@x", "r@x", 1.0, lines)))
    assert [text for kind, text in read if kind == "N"] == lines


def settings_of(**values: str) -> Settings:
    overrides = [f"{name}={value}" for name, value in values.items()]
    return load_settings(None, overrides, host=HostFacts("client.origin.test"))


@pytest.mark.parameter("internal_mail_filter_classes")
def test_notices_go_through_filters_where_that_is_wanted() -> None:
    assert read_flags(settings_of()) == 32
    assert read_flags(settings_of(internal_mail_filter_classes="bounce")) == 32
    assert read_flags(settings_of(internal_mail_filter_classes="notify, bounce")) == 32 + 2 + 64
    assert read_flags(settings_of(smtputf8_autodetect_classes="sendmail, verify")) == 32
    assert read_flags(settings_of(smtputf8_autodetect_classes="sendmail, notify")) == 32 + 512


BLAMED = SessionBlamed("Q1", Transport.LMTP, Server("mx", "192.0.2.1", 24, Family.IPV4), ("Out: LHLO x", "In:  500 ?"))


def test_nobody_sends_what_nobody_wants() -> None:
    settings = settings_of(notify_classes="bounce, resource, software")
    assert make_postmaster(settings, read_installation(settings), print, SystemClock()) is None


@pytest.mark.parameter("notify_classes", "error_notice_recipient", "double_bounce_sender")
def test_a_transcript_reaches_cleanup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = []
    (tmp_path / "main.cf").write_text(
        "notify_classes = data\nerror_notice_recipient = errors@else.test\ndouble_bounce_sender = twice\n"
        "cleanup_service_name = tidy\n"
    )
    settings = load_settings(tmp_path, host=HostFacts("client.origin.test"))
    (tmp_path / "public").mkdir()
    monkeypatch.chdir(tmp_path)

    async def main() -> Taken:
        postmaster = make_postmaster(settings, read_installation(settings), events.append, SystemClock())
        assert postmaster is not None
        async with cleanup_at("public/tidy") as taken:
            postmaster(BLAMED)
            await postmaster.finish()
        assert events == [BLAMED]
        (tmp_path / "public" / "tidy").unlink(missing_ok=True)
        postmaster(BLAMED)
        await postmaster.finish()
        assert events[2:] == [Warned("postmaster notify: public/tidy: No such file or directory", "Q1")]
        return taken

    taken = asyncio.run(main())
    assert [text for kind, text in taken.records if kind in "SR"] == ["twice@client.origin.test", "errors@else.test"]
    lines = [text for kind, text in taken.records if kind == "N"]
    assert "To: Postmaster <errors@else.test>" in lines
    assert "Subject: Postfix LMTP client: errors from mx[192.0.2.1]:24" in lines
    assert lines[-4:-2] == [" Out: LHLO x", " In:  500 ?"]
