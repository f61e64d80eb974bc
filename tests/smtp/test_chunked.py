"""BDAT beyond what the dialogues `bdat-*.txt` show: many chunks, content written by an enemy, servers that make no sense."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.errors import ConnectionLost, ContentUnreadable, LocalDataError, TimedOut, UnsuitableContent
from mailrider.smtp import chunked
from mailrider.smtp.chunked import ChunkedTransaction
from mailrider.smtp.refusal import Refusal, Scope
from mailrider.smtp.reply import Reply
from mailrider.smtp.transaction import Order

from .driver import Driver

PEER = "mx.example.test[192.0.2.1]"
OK = b"250 2.0.0 Ok\r\n"
QUEUED = b"250 2.0.0 queued\r\n"
TEN = b"0123456789"

_COMMAND = re.compile(rb"([A-Z]+)(?: FROM:| TO:)?(?: ?(\d+))?( LAST)?[^\r]*\r\n")


def make(
    *pieces: bytes | Exception,
    recipients: int = 1,
    proved: bool = True,
    size_octets: int | None = None,
    openings: list[int] | None = None,
    **options: Any,
) -> ChunkedTransaction:
    def content() -> Iterator[bytes]:
        if openings is not None:
            openings.append(1)
        for piece in pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    if size_octets is None:
        size_octets = sum(len(piece) for piece in pieces if isinstance(piece, bytes))
    rcpts = tuple(b"RCPT TO:<r%d@example.test>\r\n" % number for number in range(recipients))
    keep = options.pop("keep", True)
    order = Order(PEER, b"MAIL FROM:<a@example.test>\r\n", rcpts, content, lambda: keep, **options)
    return ChunkedTransaction(order, size_octets, proved=proved)


def start(transaction: ChunkedTransaction, *, pipelining: bool = True) -> Driver:
    driver = Driver()
    driver.wire.pipelining = pipelining
    driver.run(transaction.run(driver.wire))
    return driver


def heard(driver: Driver) -> bytes:
    """What was written since the last time, content that is due included."""
    while driver.sending is not None:
        driver.send_content()
    octets = bytes(driver.written)
    driver.written.clear()
    return octets


def verdicts(transaction: ChunkedTransaction) -> list[str]:
    return ["-" if verdict is None else verdict.text for verdict in transaction.verdicts]


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked, "CHUNK_OCTETS", 10)
    monkeypatch.setattr(chunked, "WHOLE_LIMIT_OCTETS", 5)


class Receiver:
    """A server that understands BDAT, octet for octet; `unanswered` counts chunks before the last that it owes a reply."""

    def __init__(self, *, lmtp: bool = False) -> None:
        self.lmtp = lmtp
        self.chunks: list[bytes] = []
        self.ended = False
        self.recipients = 0
        self.most_unanswered = 0

    def answer(self, octets: bytes) -> bytes:
        replies = b""
        unanswered = 0
        while octets:
            command = _COMMAND.match(octets)
            assert command is not None, octets
            octets = octets[command.end() :]
            self.recipients += command[1] == b"RCPT"
            if command[1] != b"BDAT":
                replies += OK
                continue
            size = int(command[2])
            assert len(octets) >= size, "a chunk is not complete"
            self.chunks.append(octets[:size])
            octets = octets[size:]
            self.ended = command[3] is not None
            unanswered += not self.ended
            replies += QUEUED * (self.recipients if self.ended and self.lmtp else 1)
        self.most_unanswered = max(self.most_unanswered, unanswered)
        return replies


def converse(transaction: ChunkedTransaction, receiver: Receiver, *, pipelining: bool = True) -> Driver:
    driver = start(transaction, pipelining=pipelining)
    while octets := heard(driver):
        driver.feed(receiver.answer(octets))
    return driver


# -- what arrives --------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.sampled_from([b"", b"x", b"\r\n", b"\r\n.\r\n", b"QUIT\r\n", b"\n", b"\r", TEN * 3, b"\xff" * 400])),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 60),
)
def test_the_content_arrives_as_it_is(
    pieces: list[bytes], proved: bool, pipelining: bool, lmtp: bool, size_octets: int
) -> None:
    """Whatever its pieces, and whatever its size was said to be."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(chunked, "CHUNK_OCTETS", 10)
        monkeypatch.setattr(chunked, "WHOLE_LIMIT_OCTETS", 25)
        openings: list[int] = []
        transaction = make(*pieces, recipients=2, proved=proved, lmtp=lmtp, size_octets=size_octets, openings=openings)
        receiver = Receiver(lmtp=lmtp)
        driver = converse(transaction, receiver, pipelining=pipelining)
    content = b"".join(pieces)
    assert b"".join(receiver.chunks) == content
    assert receiver.ended
    assert verdicts(transaction) == ["250 2.0.0 queued"] * 2
    assert transaction.trouble is None
    assert not transaction.in_doubt
    assert not transaction.bdat_failed
    assert transaction.bdat_taken
    assert driver.wire.reusable
    assert not driver.wire.awaited
    assert not driver.wire.unclean
    assert openings == [1]
    assert len(receiver.chunks) <= len(content) // 10 + 2
    assert receiver.most_unanswered <= (chunked.UNANSWERED_CHUNKS + 1 if pipelining else 1)
    if not proved and content:
        assert re.fullmatch(rb"\r?\n|\r|[^\r\n]+", receiver.chunks[0])
        assert len(receiver.chunks[0]) <= chunked.PROBE_LIMIT_OCTETS


ENEMY = st.lists(
    st.sampled_from([b"RSET", b"MAIL FROM:<x@y>", b"RCPT TO:<v@y>", b"DATA", b"\r\n", b"\n", b"\r", b".", b" ", b"\0"]),
    min_size=1,
).map(b"".join)


@given(ENEMY, st.booleans(), st.booleans(), st.sampled_from([b"500 what\r\n", b"502 5.5.2 no\r\n", b"554 5.5.1 no\r\n"]))
def test_content_never_becomes_a_command(content: bytes, pipelining: bool, lmtp: bool, answer: bytes) -> None:
    """A server that announces CHUNKING and does not know BDAT reads lines, however it ends them."""
    transaction = make(content, proved=False, lmtp=lmtp)
    driver = start(transaction, pipelining=pipelining)
    lines: list[bytes] = []
    rest = b""
    while not driver.closed:
        octets = heard(driver)
        assert octets, "nothing happens"
        *complete, rest = re.split(rb"\r\n|\r|\n", rest + octets)
        lines += complete
        for line in complete:
            driver.feed(answer if line.startswith(b"BDAT") or not line else OK)
    assert transaction.bdat_failed
    assert verdicts(transaction) == ["-"]
    assert [line for line in lines if line] == [b"MAIL FROM:<a@example.test>", b"RCPT TO:<r0@example.test>", lines[2]]
    assert re.fullmatch(rb"BDAT \d+", lines[2])


# -- many chunks ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_chunks")
def test_up_to_four_chunks_are_unanswered() -> None:
    transaction = make(TEN * 8)
    driver = start(transaction)
    assert heard(driver) == b"MAIL FROM:<a@example.test>\r\nRCPT TO:<r0@example.test>\r\n"
    driver.feed(OK * 2)
    assert heard(driver) == (b"BDAT 10\r\n" + TEN) * 5
    driver.feed(OK)
    assert heard(driver) == b"BDAT 10\r\n" + TEN
    driver.feed(OK * 2)
    assert heard(driver) == b"BDAT 10\r\n" + TEN + b"BDAT 10 LAST\r\n" + TEN
    driver.feed(OK * 4 + QUEUED)
    assert verdicts(transaction) == ["250 2.0.0 queued"]
    assert driver.wire.reusable


@pytest.mark.usefixtures("small_chunks")
def test_without_pipelining_each_chunk_waits() -> None:
    transaction = make(TEN * 3)
    driver = start(transaction, pipelining=False)
    driver.feed(OK)
    driver.feed(OK)
    heard(driver)
    driver.feed(OK)
    assert heard(driver) == b"BDAT 10\r\n" + TEN
    driver.feed(OK)
    assert heard(driver) == b"BDAT 10 LAST\r\n" + TEN


@pytest.mark.usefixtures("small_chunks")
def test_a_chunk_refused_in_the_middle_ends_the_message() -> None:
    transaction = make(TEN * 9, recipients=2)
    driver = start(transaction)
    driver.feed(OK * 3)
    heard(driver)
    driver.feed(OK + b"452 4.3.1 full\r\n")
    assert heard(driver) == b"BDAT 10\r\n" + TEN  # it was due when the first was answered
    assert verdicts(transaction) == [f"host {PEER} said: 452 4.3.1 full (in reply to BDAT command)"] * 2
    driver.feed(b"503 5.5.1 out of sequence\r\n" * 4)
    assert heard(driver) == b"RSET\r\n"
    driver.feed(OK)
    assert all(isinstance(verdict, Refusal) and verdict.scope is Scope.MESSAGE for verdict in transaction.verdicts)
    assert driver.wire.reusable
    assert not transaction.bdat_failed


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("end", [b"503 5.5.1 out of sequence\r\n", b"250 2.0.0 what chunk?\r\n"])
def test_the_first_refusal_decides_whatever_the_end_says(end: bytes) -> None:
    transaction = make(TEN * 3, keep=False)
    driver = start(transaction)
    driver.feed(OK * 2)
    heard(driver)
    driver.feed(OK + b"554 5.6.0 no\r\n" + end)
    assert verdicts(transaction) == [f"host {PEER} said: 554 5.6.0 no (in reply to BDAT command)"]
    assert not transaction.in_doubt
    driver.feed(b"221 bye\r\n")
    assert driver.closed


@pytest.mark.usefixtures("small_chunks")
def test_the_connection_is_lost_after_the_refusal() -> None:
    transaction = make(TEN * 3)
    driver = start(transaction)
    driver.feed(OK * 2)
    heard(driver)
    driver.feed(OK + b"554 5.6.0 no\r\n")
    driver.break_off(ConnectionLost("closed"))
    assert verdicts(transaction) == [f"host {PEER} said: 554 5.6.0 no (in reply to BDAT command)"]
    assert transaction.trouble is None
    assert not transaction.in_doubt


@pytest.mark.usefixtures("small_chunks")
def test_a_chunk_that_is_not_understood_in_the_middle() -> None:
    transaction = make(TEN * 9)
    driver = start(transaction)
    driver.feed(OK * 2)
    heard(driver)
    driver.feed(OK + b"500 5.5.1 what\r\n")
    assert heard(driver) == b"BDAT 10\r\n" + TEN  # it was due when the first was answered
    assert transaction.bdat_failed
    assert verdicts(transaction) == ["-"]
    assert driver.closed


@pytest.mark.usefixtures("small_chunks")
def test_a_chunk_that_is_not_understood_while_the_end_is_awaited() -> None:
    transaction = make(TEN * 3, keep=False)
    driver = start(transaction)
    driver.feed(OK * 2)
    assert heard(driver).endswith(b"QUIT\r\n")
    driver.feed(b"500 5.5.1 what\r\n")
    assert transaction.bdat_failed
    assert not transaction.in_doubt
    assert driver.closed


@pytest.mark.usefixtures("small_chunks")
def test_lmtp_awaits_the_chunks_before_the_last() -> None:
    """After a chunk was refused, the last one has one reply and not one for each recipient."""
    transaction = make(TEN * 3, recipients=3, lmtp=True)
    driver = start(transaction)
    heard(driver)
    driver.feed(OK * 4)
    assert heard(driver) == (b"BDAT 10\r\n" + TEN) * 2
    driver.feed(OK + b"452 4.3.1 full\r\n")
    assert heard(driver) == b"RSET\r\n"
    assert verdicts(transaction) == [f"host {PEER} said: 452 4.3.1 full (in reply to BDAT command)"] * 3


def test_lmtp_tells_each_verdict_as_it_comes() -> None:
    told: list[int] = []
    transaction = make(TEN, recipients=2, lmtp=True)
    transaction.notify = told.append
    driver = start(transaction)
    driver.feed(OK * 3)
    heard(driver)
    driver.feed(QUEUED)
    assert told == [0]
    driver.feed(b"501 5.1.1 no\r\n")
    assert told == [0, 1]
    assert isinstance(transaction.verdicts[1], Refusal)
    assert transaction.verdicts[1].scope is Scope.RECIPIENT
    assert not transaction.bdat_failed


# -- broken conversations ------------------------------------------------------------------------------------------------


def break_off_in_the_middle(said: bytes, trouble: ConnectionLost | TimedOut) -> ChunkedTransaction:
    """The third chunk of four is being written."""
    transaction = make(TEN * 4)
    driver = start(transaction)
    driver.feed(OK * 2)
    driver.send_content()
    driver.send_content()
    driver.feed(said)
    driver.break_off(trouble)
    assert driver.closed
    return transaction


@pytest.mark.usefixtures("small_chunks")
def test_the_last_words_of_a_server_count() -> None:
    transaction = break_off_in_the_middle(OK + b"552 5.3.4 too big\r\n", ConnectionLost("reset"))
    assert verdicts(transaction) == [f"host {PEER} said: 552 5.3.4 too big (in reply to BDAT command)"]
    assert transaction.trouble is None


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("said", [b"", OK, OK * 2, OK * 3, OK * 9])
@pytest.mark.parametrize("trouble", [ConnectionLost("reset"), TimedOut("time limit")])
def test_a_server_cannot_take_a_chunk_that_it_never_got(said: bytes, trouble: ConnectionLost | TimedOut) -> None:
    transaction = break_off_in_the_middle(said, trouble)
    assert verdicts(transaction) == ["-"]
    assert transaction.trouble is not None
    assert transaction.trouble.cause is trouble
    assert transaction.trouble.stage.doing == "sending message body"
    assert not transaction.in_doubt
    assert not transaction.bdat_failed


@pytest.mark.usefixtures("small_chunks")
def test_a_connection_that_breaks_in_the_last_chunk_leaves_no_doubt() -> None:
    transaction = make(TEN)
    driver = start(transaction)
    driver.feed(OK * 2)
    assert driver.sending is not None
    driver.break_off(ConnectionLost("reset"))
    assert transaction.trouble is not None
    assert transaction.trouble.stage.doing == "sending message body"
    assert not transaction.in_doubt


@pytest.mark.usefixtures("small_chunks")
def test_when_all_has_been_sent_the_message_is_in_doubt_whichever_chunk_is_unanswered() -> None:
    transaction = make(TEN * 3)
    driver = start(transaction)
    driver.feed(OK * 2)
    heard(driver)
    driver.break_off(TimedOut("time limit"))
    assert transaction.trouble is not None
    assert transaction.trouble.stage.doing == "sending end of data -- message may be sent more than once"
    assert transaction.in_doubt


@pytest.mark.parametrize("trouble", [ContentUnreadable("gone"), UnsuitableContent("odd"), LocalDataError("table")])
@pytest.mark.parametrize("proved", [True, False])
def test_a_content_that_breaks_off_is_not_ended(trouble: Exception, proved: bool) -> None:
    """The envelope goes out all the same: if it is refused, the content does not matter."""
    transaction = make(TEN, trouble, proved=proved, size_octets=100)
    driver = start(transaction)
    said = heard(driver)
    driver.feed(OK * (2 if proved else 3))
    said += heard(driver)
    assert b"RCPT" in said
    assert b"LAST" not in said
    assert transaction.trouble is not None
    assert transaction.trouble.cause is trouble
    assert transaction.started
    assert not transaction.bdat_failed
    assert driver.closed


def test_a_content_that_breaks_off_does_not_matter_when_nobody_wants_it() -> None:
    transaction = make(ContentUnreadable("gone"), proved=False)
    driver = start(transaction)
    assert b"BDAT" not in heard(driver)
    driver.feed(OK + b"550 5.1.1 no\r\n")
    assert heard(driver) == b"RSET\r\n"
    assert transaction.trouble is None
    assert driver.wire.reusable


def test_a_table_that_cannot_answer_says_nothing_about_bdat() -> None:
    transaction = make(TEN, proved=False)
    driver = start(transaction)
    driver.feed(OK * 2)
    driver.break_off(LocalDataError("table"))
    assert not transaction.bdat_failed


def test_a_content_that_has_grown_is_not_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked, "WHOLE_LIMIT_OCTETS", 25)
    taken: list[int] = []

    def grow() -> Iterator[bytes]:
        for number in range(100):
            taken.append(number)
            yield TEN

    transaction = make(size_octets=5)
    transaction.order = transaction.order._replace(content=grow)
    start(transaction)
    assert len(taken) == 3


# -- what the next transaction finds -------------------------------------------------------------------------------------


def test_a_transaction_behind_another_begins_with_rset() -> None:
    """RFC 3030 §2: after BDAT without recipients the state is indeterminate."""
    first, second = make(TEN), make(b"abc", keep=False)
    driver = start(first)
    driver.run(second.run(driver.wire))
    assert heard(driver).split(b"\r\n")[2:5] == [b"BDAT 10 LAST", TEN + b"RSET", b"MAIL FROM:<a@example.test>"]
    driver.feed(OK + b"550 5.1.1 no\r\n" + b"503 5.5.1 no recipients\r\n")
    driver.feed(OK * 3 + QUEUED + b"221 bye\r\n")
    assert verdicts(second) == ["250 2.0.0 queued"]
    assert driver.closed


def test_after_a_refused_end_the_next_transaction_begins_with_rset_and_after_an_accepted_one_not() -> None:
    for end, beginning in ((b"450 4.3.0 no\r\n", b"RSET"), (QUEUED, b"MAIL")):
        driver = start(make(TEN))
        driver.feed(OK * 2 + end)
        heard(driver)
        driver.run(make(TEN).run(driver.wire))
        assert heard(driver).startswith(beginning)


def test_a_refusal_of_the_first_does_not_touch_what_rides_behind_it() -> None:
    first, second = make(TEN), make(TEN)
    driver = start(first)
    driver.run(second.run(driver.wire))
    driver.feed(OK * 2 + b"500 5.5.1 what\r\n")
    assert first.bdat_failed
    assert driver.closed or not driver.wire.reusable
    driver.break_off(ConnectionLost("closed"))
    assert second.trouble is not None
    assert not second.started


def test_many_recipients_are_read_before_the_content_goes_out() -> None:
    transaction = make(TEN, recipients=400)
    driver = start(transaction)
    said = heard(driver)
    assert len(said) <= 4096
    assert b"BDAT" not in said
    driver.feed(b"550 5.1.1 no such sender\r\n" * (said.count(b"\r\n")))
    assert heard(driver) == b"RSET\r\n"
    assert len(set(verdicts(transaction))) == 1


# -- servers that make no sense ------------------------------------------------------------------------------------------

REPLIES = st.sampled_from(
    [OK, OK, OK, QUEUED, b"354 go\r\n", b"450 4.0.0 no\r\n", b"550 5.1.1 no\r\n", b"500 what\r\n", b"503 5.5.1 no\r\n",
     b"421 bye\r\n", b"999 x\r\n", b"250-more\r\n", b"garbage\r\n", b"299\r\n", b"\r\n", b"000 x\r\n"]
)  # fmt: skip


@given(
    st.lists(REPLIES, max_size=20),
    st.integers(1, 3),
    st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    st.sampled_from([ConnectionLost("closed"), TimedOut("time limit"), LocalDataError("table")]),
)
def test_nobody_is_forgotten_whatever_the_server_says(
    replies: list[bytes], recipients: int, choices: tuple[bool, bool, bool, bool], trouble: Any
) -> None:
    """More replies than are owed, fewer, in any order, before they are due."""
    proved, pipelining, lmtp, keep = choices
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(chunked, "CHUNK_OCTETS", 10)
        monkeypatch.setattr(chunked, "WHOLE_LIMIT_OCTETS", 25)
        transaction = make(TEN * 4, recipients=recipients, proved=proved, lmtp=lmtp, keep=keep, size_octets=20)
        driver = start(transaction, pipelining=pipelining)
        said = heard(driver)
        for reply in replies:
            driver.feed(reply)
            said += heard(driver)
        driver.break_off(trouble)
        said += heard(driver)
    undecided = [verdict for verdict in transaction.verdicts if verdict is None]
    assert not undecided or transaction.trouble is not None or transaction.bdat_failed
    for verdict in transaction.verdicts:
        if isinstance(verdict, Reply):
            assert verdict.code // 100 == 2
            assert b" LAST\r\n" in said
        elif verdict is not None:
            assert verdict.reply is not None
            assert verdict.reply.code // 100 != 2
    if transaction.in_doubt:
        assert undecided
        assert b" LAST\r\n" in said
    if transaction.bdat_failed:
        assert undecided
        assert not driver.wire.reusable
