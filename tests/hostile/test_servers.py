"""Servers that flood, drip, fall silent, talk nonsense or hang up: bounded memory, bounded time, a clear deferral.

Time is virtual; memory is what Python holds, the villain's own part included.
"""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.scene import Pieces
from mailrider.events import ReplyGarbled, ReplyOverlong
from mailrider.model.outcome import Status
from mailrider.model.request import Transport
from mailrider.net.patience import PATIENCE
from mailrider.smtp import reply as reply_module
from mailrider.smtp.reply import NOTES_LIMIT, REPLY_LIMIT_OCTETS
from virtual_time import run

from .villain import GO_AHEAD, GREETING, HELLO, OK, Meeting, Play, meet, read_to_end, say_for_ever

MEGABYTE = 1024 * 1024
MEMORY_LIMIT_OCTETS = 4 * MEGABYTE
"""Both sides' stream buffers and everything else; a hoarded reply of 8 MB would show."""

HELO_LIMIT_SECONDS = 300
"""Default of `smtp_helo_timeout`, `smtp_mail_timeout` and `smtp_rcpt_timeout`."""

LOST = "lost connection with 127.0.0.1[127.0.0.1] while"
TIMED_OUT = "conversation with 127.0.0.1[127.0.0.1] timed out while"
BROKEN_OFF = "conversation with 127.0.0.1[127.0.0.1] broken off while"


def is_deferred(meeting: Meeting, *words: str) -> None:
    """Everybody, once, with a reason that says what happened."""
    assert all(outcome.status is Status.DEFERRED for outcome in meeting.outcomes), meeting.brief
    assert len(meeting.settled) == len(meeting.outcomes)
    for word in words:
        assert word in meeting.outcomes[0].text
    assert meeting.outcomes[0].text.isprintable()


# Floods


@pytest.fixture
def short_replies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lower limit, to save the time that it takes to say so much."""
    monkeypatch.setattr(reply_module, "REPLY_LIMIT_OCTETS", 256 * 1024)


def flood(unit: bytes) -> Play:
    """Say this for ever, as fast as it is taken."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await say_for_ever(writer, unit * (64 * 1024 // len(unit)))

    return play


@pytest.mark.parametrize("unit", [b"220-welcome\r\n", b"x", b"\n"])
def test_an_endless_greeting_costs_little_memory(unit: bytes) -> None:
    meeting = run(meet(flood(unit), measured=True))
    is_deferred(meeting, BROKEN_OFF, "receiving the initial server greeting")
    assert meeting.peak_octets < MEMORY_LIMIT_OCTETS


@pytest.mark.usefixtures("short_replies")
@pytest.mark.parametrize(
    "unit",
    [
        b"220-" + b"w" * 500 + b"\r\n", b"220-" + b"w" * 5000 + b"\r\n", b"welcome\r\n", b"\r\n", b"\0", b"\r", b"2",
        b"\xff\xfe\n", b"220-\x1b[2J\a\r\n",
    ],
)  # fmt: skip
def test_an_endless_greeting_ends_by_what_was_said_and_not_by_the_clock(unit: bytes) -> None:
    meeting = run(meet(flood(unit)))
    is_deferred(meeting, BROKEN_OFF, "receiving the initial server greeting")
    assert meeting.seconds < 1
    assert len(meeting.events) < NOTES_LIMIT + 10


@pytest.mark.usefixtures("short_replies")
@pytest.mark.parametrize("stage", ["EHLO", "MAIL", "RCPT", "DATA", "dot"])
def test_an_endless_reply_at_any_stage(stage: str) -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        before = {"EHLO": b"", "MAIL": HELLO, "RCPT": HELLO + OK, "DATA": HELLO + OK * 2, "dot": HELLO + OK * 2 + GO_AHEAD}
        writer.write(GREETING)
        await reader.readuntil(b"\n")
        writer.write(before[stage])
        await say_for_ever(writer, b"250-and another thing\r\n" * 1000)

    meeting = run(meet(play))
    is_deferred(meeting, BROKEN_OFF)
    assert meeting.seconds < 1
    assert meeting.outcomes[0].in_doubt == (stage == "dot")


def test_a_line_of_a_hundred_megabytes() -> None:
    taken = 0

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        writer.write(b"220 ")
        for _ in range(100):
            if writer.is_closing():
                break
            writer.write(b"x" * MEGABYTE)
            await writer.drain()
            taken += MEGABYTE
        writer.write(b"\r\n")
        await read_to_end(reader)

    meeting = run(meet(play, measured=True))
    is_deferred(meeting, BROKEN_OFF)
    assert meeting.peak_octets < MEMORY_LIMIT_OCTETS
    assert taken < 3 * REPLY_LIMIT_OCTETS  # what the sockets hold is not read any more


def test_a_long_greeting_that_ends_is_a_greeting() -> None:
    """Greetings of 20,000 lines have been seen."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220-this system is for authorised users\r\n" * 20_000 + GREETING)
        await converse(reader, writer)

    meeting = run(meet(play, measured=True))
    assert meeting.brief.startswith("sent 2.0.0")
    assert [event.multiline for event in meeting.events if isinstance(event, ReplyOverlong)] == [True]
    assert meeting.peak_octets < MEMORY_LIMIT_OCTETS


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """From EHLO on: a friendly server."""
    in_content = False
    while line := await reader.readline():
        if in_content:
            in_content = line != b".\r\n"
            if not in_content:
                writer.write(OK)
            continue
        verb = line[:4].upper()
        writer.write({b"EHLO": HELLO, b"DATA": GO_AHEAD, b"QUIT": b"221 bye\r\n"}.get(verb, OK))
        in_content = verb == b"DATA"


def test_a_huge_list_of_extensions() -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETING)
        await reader.readline()
        for number in range(50):
            writer.write(b"".join(b"250-X-%d-%d %s\r\n" % (number, each, b"y" * 20) for each in range(1000)))
            await writer.drain()
        writer.write(b"250 PIPELINING\r\n")
        await converse(reader, writer)

    meeting = run(meet(play, measured=True))
    assert meeting.brief.startswith("sent 2.0.0")
    assert meeting.peak_octets < MEMORY_LIMIT_OCTETS


def test_a_flood_of_replies_that_nobody_asked_for() -> None:
    """Reading stops when enough of them wait; the conversation goes on with what was read."""
    sent = 0

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.transport.set_write_buffer_limits(0)
        while not writer.is_closing():
            writer.write(b"220 hello, and no more from me\r\n" * 1000)
            sent += 1000
            await writer.drain()

    meeting = run(meet(play, measured=True))
    # 220 is a yes to EHLO, MAIL and RCPT, and none to DATA.
    assert meeting.brief.startswith("bounced 5.5.0 Protocol error: host 127.0.0.1[127.0.0.1] said: 220 hello")
    assert meeting.peak_octets < MEMORY_LIMIT_OCTETS


def test_a_server_that_answers_everything_before_it_is_asked() -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETING + HELLO + OK * 2 + GO_AHEAD + OK + b"221 bye\r\n")
        await read_to_end(reader)

    assert run(meet(play)).brief == "sent 2.0.0 250 2.0.0 Ok"


# Silence and dripping


SILENT_AT = [
    (b"", "receiving the initial server greeting", 300),
    (b"220-", "receiving the initial server greeting", 300),
    (GREETING, "performing the EHLO handshake", 300),
    (GREETING + HELLO, "sending MAIL FROM", 300),
    (GREETING + HELLO + OK, "sending RCPT TO", 300),
    (GREETING + HELLO + OK + OK, "sending DATA command", 120),
    (GREETING + HELLO + OK + OK + GO_AHEAD, "sending end of data -- message may be sent more than once", 600),
]


@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize(("said", "doing", "limit"), SILENT_AT)
def test_silence_at_each_stage(said: bytes, doing: str, limit: float, reads: bool) -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not reads:
            reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(said)
        if reads:
            await read_to_end(reader)
        await asyncio.Event().wait()

    meeting = run(meet(play))
    is_deferred(meeting)
    assert meeting.outcomes[0].text == f"{TIMED_OUT} {doing}"
    assert limit <= meeting.seconds <= limit + 0.2


@pytest.mark.parametrize(("said", "doing", "limit"), SILENT_AT)
@pytest.mark.parametrize("per_request", [False, True])
def test_a_drip_at_each_stage(said: bytes, doing: str, limit: float, per_request: bool) -> None:
    """One octet a minute: `smtp_per_request_deadline` ends it in time, and without that there is an end too."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        while not writer.is_closing():
            writer.write(b"2")
            await asyncio.sleep(60)

    meeting = run(meet(play, smtp_per_request_deadline=per_request))
    is_deferred(meeting)
    assert meeting.outcomes[0].text == f"{TIMED_OUT} {doing}"
    bound = limit + 1 if per_request else PATIENCE * limit  # what is left after an octet is rounded up
    assert meeting.seconds <= bound + 0.2


def test_a_drip_of_whole_lines() -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(b"220-just a moment\r\n")
            await asyncio.sleep(200)

    meeting = run(meet(play))
    is_deferred(meeting, TIMED_OUT, "receiving the initial server greeting")
    assert meeting.seconds <= PATIENCE * HELO_LIMIT_SECONDS + 0.2


@pytest.mark.parametrize("octets", [200_000, 8 * MEGABYTE])
def test_a_server_that_never_reads(octets: int) -> None:
    """Small content fits between the two, and its end is waited for; large content stops half way."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GREETING + HELLO + OK + OK + GO_AHEAD)
        await asyncio.Event().wait()

    line = b"x" * 998 + b"\r\n"
    meeting = run(meet(play, content=Pieces(b"Subject: x\r\n\r\n", *[line] * (octets // len(line))), measured=True))
    is_deferred(meeting, TIMED_OUT)
    assert meeting.seconds <= 600 + 180 + 0.4
    assert meeting.peak_octets < MEMORY_LIMIT_OCTETS


# Nonsense


@pytest.mark.usefixtures("short_replies")
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("lines", [True, False])
def test_binary_garbage(seed: int, lines: bool) -> None:
    chance = random.Random(seed)

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            octets = chance.randbytes(10_000)
            writer.write(octets if lines else octets.replace(b"\n", b"\xff"))
            await writer.drain()

    meeting = run(meet(play, measured=True))
    assert len(meeting.settled) == 1
    assert meeting.outcomes[0].status is not Status.SENT
    assert meeting.outcomes[0].text.isprintable()
    assert meeting.peak_octets < MEMORY_LIMIT_OCTETS


def test_nul_octets_hide_nothing() -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx\0\0\0hidden\r\n")
        await reader.readline()
        writer.write(b"\x00250 mx\r\n250 mx\0\r\n")
        await reader.readline()
        writer.write(b"550 5.7.1 no\0 way\r\n")
        await read_to_end(reader)

    meeting = run(meet(play))
    assert meeting.brief == "bounced 5.7.1 host 127.0.0.1[127.0.0.1] said: 550 5.7.1 no (in reply to MAIL FROM command)"


def test_words_that_a_terminal_or_a_log_would_choke_on() -> None:
    nasty = "550 5.1.1 \x1b]0;owned\x07\x1b[2J\u2028forged line\u2029\x85\x9b31m\ttab\x7f".encode()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETING)
        await reader.readline()
        writer.write(b"250 mx\r\n" + nasty + b"\r\n")
        await read_to_end(reader)

    meeting = run(meet(play))
    text = meeting.outcomes[0].text
    assert text.isprintable()
    assert "550 5.1.1 ?]0;owned??[2J" in text
    assert "forged line" in text


def test_garbage_in_every_reply_is_no_reason_not_to_deliver() -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"garbage\r\n" + GREETING)
        await reader.readline()
        writer.write(b"garbage\r\n250 mx\r\n")
        for _ in range(2):
            await reader.readline()
            writer.write(b"garbage\r\n" + OK)
        await reader.readline()
        writer.write(b"garbage\r\n" + GO_AHEAD)
        await reader.readuntil(b"\r\n.\r\n")
        writer.write(b"garbage\r\n" + OK)
        await read_to_end(reader)

    meeting = run(meet(play))
    assert meeting.brief == "sent 2.0.0 garbage 250 2.0.0 Ok"
    assert sum(isinstance(event, ReplyGarbled) for event in meeting.events) == 6


@given(st.lists(st.binary(max_size=40), max_size=12), st.booleans())
@settings(max_examples=60)
def test_whatever_a_server_says_everybody_is_settled_once(said: list[bytes], ends_lines: bool) -> None:
    """Nothing crashes, nobody waits for ever, and nobody is called sent without a 2xx after the dot."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for octets in said:
            writer.write(octets + (b"\r\n" if ends_lines else b""))
            await asyncio.sleep(1)
        await asyncio.sleep(10)

    meeting = run(meet(play, "b", "c"))
    assert sorted(address for address, _ in meeting.settled) == ["b@example.test", "c@example.test"]
    for outcome in meeting.outcomes:
        assert outcome.status is not Status.SENT or "2" in outcome.text
        assert outcome.text.isprintable()


REPLIES = st.sampled_from([
    b"220 x\r\n", b"250 2.0.0 x\r\n", b"250-x\r\n", b"250 PIPELINING\r\n", b"250-x\r\n250 PIPELINING\r\n", b"354 x\r\n",
    b"421 x\r\n", b"450 4.2.0 x\r\n", b"500 x\r\n", b"550 5.1.1 x\r\n", b"554 x\r\n", b"999 x\r\n", b"000 x\r\n", b"x\r\n",
    b"\r\n", b"25", b"",
])  # fmt: skip


@pytest.mark.parametrize("transport", list(Transport))
@given(st.lists(REPLIES, max_size=16), st.booleans(), st.booleans())
@settings(max_examples=80)
def test_replies_in_any_order(transport: Transport, replies: list[bytes], in_step: bool, hangs_up: bool) -> None:
    heard = b""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        for reply in replies:
            writer.write(reply)
            if in_step:
                async with asyncio.timeout(5):
                    heard += await reader.read(10_000)
        if not hangs_up:
            heard += await read_to_end(reader)

    async def play_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await play(reader, writer)
        except TimeoutError:
            return

    meeting = run(meet(play_on, "b", "c", transport=transport))
    assert sorted(address for address, _ in meeting.settled) == ["b@example.test", "c@example.test"]
    if any(outcome.status is Status.SENT for outcome in meeting.outcomes):
        assert any(reply.startswith(b"2") for reply in replies)


# Hanging up


DIALOGUE = GREETING + HELLO + OK + b"550 5.1.1 no c\r\n" + OK + GO_AHEAD + OK


@pytest.mark.parametrize("octets", range(len(DIALOGUE) + 1))
def test_a_server_that_hangs_up_after_any_octet(octets: int) -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(DIALOGUE[:octets])
        writer.write_eof()
        await read_to_end(reader)

    meeting = run(meet(play, "c", "b"))
    refused, wanted = meeting.outcomes
    assert len(meeting.settled) == 2
    if octets == len(DIALOGUE):
        assert (refused.status, wanted.status) == (Status.BOUNCED, Status.SENT)
    else:
        assert wanted.status is Status.DEFERRED
        assert wanted.text.startswith(LOST)
        assert wanted.in_doubt == (octets >= len(DIALOGUE) - len(OK))
    known = octets >= DIALOGUE.index(b"550") + len(b"550 5.1.1 no c\r\n")
    assert (refused.status is Status.BOUNCED) == known
    assert meeting.seconds < 1


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_server_that_takes_connections_and_drops_them(how: str, after: int) -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for octets in (GREETING, HELLO)[:after]:
            writer.write(octets)
            await reader.read(100)
        if how == "close":
            writer.write_eof()
            await asyncio.sleep(1)

    meeting = run(meet(play))
    is_deferred(meeting, LOST)
    assert meeting.report.destination_trouble is not None
