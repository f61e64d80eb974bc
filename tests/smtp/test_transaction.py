"""The transaction beyond what the dialogues show: what a random server can do to it, and what it must never do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.errors import (
    ConnectionLost,
    ContentUnreadable,
    LocalDataError,
    MailriderError,
    PeerBabbles,
    TimedOut,
    UnsuitableContent,
)
from mailrider.smtp.refusal import Refusal, Scope
from mailrider.smtp.reply import Reply
from mailrider.smtp.stage import CONTENT, DATA, DOT, MAIL, QUIT, RCPT, RSET, XFORWARD_NAME, Stage
from mailrider.smtp.transaction import NO_PROBE, PROBE_DATA, PROBE_RCPT, Order, Transaction
from mailrider.smtp.wire import UNANSWERED_LIMIT_OCTETS, Script, Wire
from mailrider.testkit.script import parse_dialogue

from .driver import Driver, at_random, octet_by_octet, whole
from .player import perform

PEER = "mx.example.test[192.0.2.1]"
BODY = b"Subject: x\r\n\r\n..\r\ntext\r\n"
OK = b"250 2.0.0 Ok\r\n"


def make_order(*names: str, **options: Any) -> Order:
    rcpts = tuple(f"RCPT TO:<{name}@example.test>\r\n".encode() for name in names or ("b",))
    given_options: dict[str, Any] = {"content": lambda: iter((BODY,)), "keep_open": lambda: True} | options
    return Order(PEER, b"MAIL FROM:<a@example.test>\r\n", rcpts, **given_options)


class Recording(Driver):
    """A driver that remembers which reply went to which stage, and how often content was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[tuple[Stage, int]] = []
        self.contents = 0

    def _deliver(self, reply: Reply) -> None:
        head = self.wire.head
        assert head is not None
        self.answers.append((head, reply.code))
        super()._deliver(reply)

    def _go_on(self, run: Any, step: Any) -> None:
        before = self.sending
        super()._go_on(run, step)
        self.contents += self.sending is not None and self.sending is not before


def run(order: Order, *, pipelining: bool = True) -> tuple[Transaction, Recording]:
    transaction, driver = Transaction(order), Recording()
    driver.wire.pipelining = pipelining
    driver.run(transaction.run(driver.wire))
    return transaction, driver


# -- single facts ----------------------------------------------------------------------------------------------------------


def test_each_verdict_is_told_when_it_is_known() -> None:
    told: list[int] = []
    transaction, driver = Transaction(make_order("b", "c", "d", lmtp=True), told.append), Driver()
    driver.wire.pipelining = True
    driver.run(transaction.run(driver.wire))
    driver.feed(OK + OK + b"550 no\r\n")
    assert told == [1]
    driver.feed(OK + b"354 go\r\n")
    driver.send_content()
    assert told == [1]
    driver.feed(OK)
    assert told == [1, 0]
    driver.feed(b"450 later\r\n")
    assert told == [1, 0, 2]
    assert [type(verdict) for verdict in transaction.verdicts] == [Reply, Refusal, Refusal]
    assert [verdict.scope for verdict in transaction.verdicts if isinstance(verdict, Refusal)] == [Scope.RECIPIENT] * 2


def test_a_refusal_of_the_message_is_the_same_for_all() -> None:
    for answers in (b"550 no\r\n" + OK * 2 + b"503 no\r\n", OK * 3 + b"451 no\r\n"):
        transaction, driver = run(make_order("b", "c"))
        driver.feed(answers)
        first, second = transaction.verdicts
        assert first is second
        assert isinstance(first, Refusal)
        assert first.scope is Scope.MESSAGE


def test_keep_open_is_asked_when_the_dot_is_about_to_be_written() -> None:
    asked: list[bytes] = []
    keeps = [False]
    order = make_order(keep_open=lambda: bool(asked.append(bytes(driver.written))) or keeps[0])
    transaction, driver = Transaction(order), Driver()
    driver.wire.pipelining = True
    driver.run(transaction.run(driver.wire))
    driver.feed(OK + OK + b"354 go\r\n")
    assert asked == []
    keeps[0] = True
    driver.send_content()
    assert len(asked) == 1
    assert asked[0].endswith(BODY)
    driver.feed(OK)
    assert driver.wire.reusable


def test_a_connection_that_is_not_fit_is_not_asked_about() -> None:
    for spoil in ("reusable", "garbled"):
        order = make_order(keep_open=lambda: pytest.fail("asked"))
        transaction, driver = Transaction(order), Driver()
        driver.wire.pipelining = True
        driver.run(transaction.run(driver.wire))
        driver.feed(OK + OK + b"354 go\r\n")
        setattr(driver.wire, spoil, spoil == "garbled")
        driver.send_content()
        assert driver.written.endswith(b".\r\nQUIT\r\n")


@pytest.mark.parametrize(("pipelining", "keep"), [(True, True), (True, False), (False, True)])
def test_who_waits_for_the_wire_is_told_when_it_is_free(pipelining: bool, keep: bool) -> None:
    told: list[bytes] = []
    order = make_order(keep_open=lambda: keep, released=lambda streams: told.append(bytes(b"".join(driver.wire.out))))
    transaction, driver = Transaction(order), Driver()
    driver.wire.pipelining = pipelining
    driver.run(transaction.run(driver.wire))
    for answer in (OK, OK, b"354 go\r\n"):
        driver.feed(answer)
    assert told == []
    driver.send_content()
    assert told == ([b".\r\n"] if pipelining and keep else [])
    driver.feed(OK)
    assert len(told) == (pipelining and keep)


@pytest.mark.parametrize("code", [199, 200, 299, 300])
@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "DOT"])
def test_acceptance_is_a_class_of_codes(stage: str, code: int) -> None:
    transaction, driver = run(make_order())
    # DATA is answered 354, and the class that is due there is the next one.
    codes = {"MAIL": 250, "RCPT": 250, "DATA": 354, "DOT": 250} | {stage: code + 100 * (stage == "DATA")}
    for number in list(codes.values())[:3]:
        driver.feed(b"%d x\r\n" % number)
    if driver.sending is not None:
        driver.send_content()
    driver.feed(b"%d x\r\n" % codes["DOT"])
    assert isinstance(transaction.verdicts[0], Reply) == (code // 100 == 2)


def test_an_early_acceptance_of_any_code_is_none() -> None:
    for code in (200, 299):
        transaction, driver = run(make_order())
        driver.feed(OK + OK + b"354 go\r\n%d taken\r\n" % code)
        driver.break_off(ConnectionLost("gone"))
        assert transaction.verdicts == [None]
        assert transaction.trouble is not None
        assert transaction.trouble.stage is CONTENT


def test_an_unclean_wire_is_cleaned_first() -> None:
    transaction, driver = Transaction(make_order()), Driver()
    driver.wire.unclean = True
    driver.run(transaction.run(driver.wire))
    assert driver.written == b"RSET\r\n"
    assert not driver.wire.unclean
    driver.feed(OK)
    assert driver.written == b"RSET\r\nMAIL FROM:<a@example.test>\r\n"


def test_without_a_relay_warnings_call_the_server_by_its_peer_name() -> None:
    for options, name in (({}, PEER), ({"relay": PEER + ":25"}, PEER + ":25")):
        transaction, driver = run(make_order(before=((XFORWARD_NAME, b"XFORWARD NAME=x\r\n"),), **options))
        driver.feed(b"503 no\r\n")
        assert transaction.warnings == [f"host {name} said: 503 no (in reply to XFORWARD name/address command)"]


@pytest.mark.parametrize("kind", [ContentUnreadable, UnsuitableContent, LocalDataError])
def test_content_that_breaks_off_is_not_ended(kind: type[MailriderError]) -> None:
    fault = kind("why")

    def content() -> Iterator[bytes]:
        yield BODY
        raise fault

    transaction, driver = run(make_order(content=content))
    driver.feed(OK + OK + b"354 go\r\n")
    driver.send_content()
    assert transaction.trouble == (fault, CONTENT)
    assert transaction.verdicts == [None]
    assert not transaction.in_doubt
    assert not driver.wire.reusable
    assert driver.closed
    assert b"\r\n.\r\n" not in driver.written
    assert b"QUIT" not in driver.written


def test_content_that_cannot_even_be_opened() -> None:
    def content() -> Iterator[bytes]:
        raise ContentUnreadable("gone")

    transaction, driver = run(make_order(content=content))
    driver.feed(OK + OK + b"354 go\r\n")
    assert transaction.trouble is not None
    assert transaction.trouble.stage is CONTENT
    assert driver.closed


def test_a_server_that_hung_up_is_not_asked_again_whatever_it_said() -> None:
    transaction, wire = Transaction(make_order()), Wire()
    script: Script[None] = transaction.run(wire)
    script.send(None)
    for code in (250, 250, 354):
        script.send(Reply(code, (b"%d" % code,), b"%d" % code))
        wire.answered()
    script.throw(ConnectionLost("gone"))
    assert wire.head is DOT
    with pytest.raises(StopIteration):
        script.send(Reply(552, (b"552 no",), b"552 no"))
    assert isinstance(transaction.verdicts[0], Refusal)
    assert transaction.trouble is None
    assert not wire.reusable


def test_what_is_not_ordered_is_not_done() -> None:
    order = Order(PEER, b"", (), lambda: iter(()), lambda: True)
    assert (order.lmtp, order.probe, order.before, order.check_alive, order.await_quit) == (False, NO_PROBE, (), False, False)
    assert (order.dot_delay_seconds, order.released) == (0.0, None)


def test_a_pause_in_front_of_the_dot_can_be_broken() -> None:
    # The driver throws trouble where the script waits; here that is the pause.
    transaction, wire = Transaction(make_order(dot_delay_seconds=10.0)), Wire()
    script: Script[None] = transaction.run(wire)
    script.send(None)
    for code in (250, 250, 354):
        want = script.send(Reply(code, (b"%d" % code,), b"%d" % code))
        wire.answered()
    wants = [want, script.send(None)]
    assert [type(want).__name__ for want in wants] == ["Transmit", "Pause"]
    script.throw(ConnectionLost("gone"))
    with pytest.raises(StopIteration):
        script.throw(ConnectionLost("gone"))
    assert transaction.trouble is not None
    assert transaction.trouble.stage is CONTENT
    assert b".\r\n" not in wire.out


def dialogue_of_many(recipients: int) -> str:
    """Many recipients under PIPELINING: as many commands go out at once as fit into the bound, and no more."""
    names = [f"recipient-number-{number:04d}@example.test" for number in range(recipients)]
    commands = ["MAIL FROM:<a@example.test>", *(f"RCPT TO:<{name}>" for name in names), "DATA"]
    lines = ["title: many", "sender: a@example.test", "keep_open: yes", "then: kept", *(f"recipient: {name}" for name in names)]
    lines += ["S: 220 mx", "C: EHLO *", "S: 250-mx", "S: 250 PIPELINING"]
    group: list[str] = []
    for command in [*commands, None]:
        octets = sum(len(line) + 2 for line in group)
        if command is None or (group and octets + len(command) + 2 > UNANSWERED_LIMIT_OCTETS):
            lines += [f"C: {line}" for line in group]
            lines += ["S: 354 go" if line == "DATA" else "S: 250 Ok" for line in group]
            group = []
        if command is not None:
            group.append(command)
    lines += ["C-content", "S: 250 2.0.0 queued"]
    lines += [f"E: {name} sent 2.0.0 250 2.0.0 queued" for name in names]
    return "\n".join(lines)


def test_the_octets_that_are_unanswered_are_bounded() -> None:
    dialogue = parse_dialogue(dialogue_of_many(200))
    performance = perform(dialogue, whole)
    assert [outcome[:3] for outcome in performance.outcomes] == [
        (expectation.recipient, "sent", "2.0.0") for expectation in dialogue.expectations
    ]
    assert len(performance.outcomes) == 200
    for cut in (octet_by_octet, at_random(1), at_random(2)):
        assert perform(dialogue, cut) == performance
    assert UNANSWERED_LIMIT_OCTETS == 4096


# -- a random server -------------------------------------------------------------------------------------------------------

CODES = ["250", "354", "550", "450", "421", "500", "999", "150"]
SAYINGS = (
    st.sampled_from([f"{code} x\r\n" for code in CODES])
    | st.sampled_from(["250 2.1.5 Ok\r\n"] * 4 + ["354 go\r\n"] * 2)
    | st.sampled_from(["garbage\r\n", "250-more\r\n", "250", "\r\n"])
)
BREAKS = st.sampled_from([ConnectionLost, TimedOut, PeerBabbles]).map(lambda kind: kind("why"))
ORDERS = st.fixed_dictionaries(
    {
        "names": st.lists(st.sampled_from("bcdef"), min_size=1, max_size=4, unique=True),
        "lmtp": st.booleans(),
        "probe": st.sampled_from([NO_PROBE, NO_PROBE, PROBE_RCPT, PROBE_DATA]),
        "keep": st.booleans(),
        "before": st.booleans(),
        "check_alive": st.booleans(),
        "await_quit": st.booleans(),
        "pause": st.booleans(),
        "fault": st.none() | st.none() | st.sampled_from([ContentUnreadable, UnsuitableContent, LocalDataError]),
    }
)


class Scene:
    """One transaction with one server, and all that must be true of it at the end."""

    def __init__(self, options: dict[str, Any], pipelining: bool) -> None:
        self.options = options
        self.told: list[int] = []
        order = make_order(
            *options["names"],
            content=self.content,
            keep_open=lambda: options["keep"],
            lmtp=options["lmtp"],
            probe=options["probe"],
            before=((XFORWARD_NAME, b"XFORWARD NAME=x\r\n"),) if options["before"] else (),
            check_alive=options["check_alive"],
            await_quit=options["await_quit"],
            dot_delay_seconds=float(options["pause"]),
        )
        self.transaction = Transaction(order, self.told.append)
        self.driver = Recording()
        self.driver.wire.pipelining = pipelining
        self.run = self.driver.run(self.transaction.run(self.driver.wire))

    def content(self) -> Iterator[bytes]:
        yield BODY
        if self.options["fault"] is not None:
            raise self.options["fault"]("why")

    def play(self, sayings: list[str], breaks_in_content: bool, trouble: Any) -> None:
        driver = self.driver
        for saying in sayings:
            if driver.sending is not None and not breaks_in_content:
                driver.send_content()
            driver.feed(saying.encode())
        if driver.sending is not None and not breaks_in_content:
            driver.send_content()
        if not self.run.ended or not driver.closed:
            driver.break_off(trouble)

    # -- what must be true -----------------------------------------------------------------------------------------

    def codes_for(self, stage: Stage) -> list[int]:
        return [code for answered, code in self.driver.answers if answered is stage]

    def check(self) -> None:
        transaction, driver = self.transaction, self.driver
        assert self.run.ended
        self.check_that_nobody_is_forgotten()
        accepted = self.recipients_accepted()
        if driver.contents:
            assert accepted, "content for nobody"
            assert 3 in [code // 100 for code in self.codes_for(DATA)]
        self.check_acceptances(accepted)
        self.check_words()
        if transaction.in_doubt:
            assert b"\r\n.\r\n" in driver.written
            assert None in transaction.verdicts
        if self.options["fault"] is not None and driver.contents:
            assert b"\r\n.\r\n" not in driver.written
        if driver.wire.reusable and not driver.closed:
            assert transaction.trouble is None

    def check_that_nobody_is_forgotten(self) -> None:
        verdicts = self.transaction.verdicts
        assert self.transaction.trouble is not None or None not in verdicts
        decided = [index for index, verdict in enumerate(verdicts) if verdict is not None]
        assert sorted(self.told) == decided, "told of each once"

    def recipients_accepted(self) -> list[int]:
        """The recipients that the server has taken, if it took the sender."""
        if [code // 100 for code in self.codes_for(MAIL)] != [2]:
            return []
        return [index for index, code in enumerate(self.codes_for(RCPT)) if code // 100 == 2]

    def check_acceptances(self, accepted: list[int]) -> None:
        """Nothing counts as delivered that the server has not taken in reply to what decides."""
        happy = [index for index, verdict in enumerate(self.transaction.verdicts) if isinstance(verdict, Reply)]
        assert set(happy) <= set(accepted)
        probe = self.options["probe"]
        if probe == PROBE_RCPT:
            assert happy == accepted
        elif probe == PROBE_DATA:
            assert not happy or [code // 100 for code in self.codes_for(DATA)] == [3]
        elif happy:
            dots = [code // 100 for code in self.codes_for(DOT)]
            assert b"\r\n.\r\n" in self.driver.written
            if self.options["lmtp"]:
                assert happy == [index for index, code in zip(accepted, dots, strict=False) if code == 2]
            else:
                assert dots == [2]
                assert happy == accepted

    def check_words(self) -> None:
        """What is written is a conversation."""
        written = self.driver.written.decode()
        pattern = (
            r"(RSET\r\n)?(XFORWARD NAME=x\r\n)?(MAIL FROM:<a@example.test>\r\n)?(RCPT TO:<[b-f]@example.test>\r\n)*(DATA\r\n)?"
            rf"({re.escape(BODY.decode())})?(\.\r\n|RSET\r\n)?(QUIT\r\n)?"
        )
        assert re.fullmatch(pattern, written), written
        if self.options["keep"] and self.driver.wire.reusable:
            assert not written.endswith("QUIT\r\n")


@given(ORDERS, st.booleans(), st.lists(SAYINGS, max_size=14), st.booleans(), BREAKS)
def test_no_server_makes_it_forget_a_recipient_or_believe_a_lie(
    options: dict[str, Any], pipelining: bool, sayings: list[str], breaks_in_content: bool, trouble: Any
) -> None:
    scene = Scene(options, pipelining)
    scene.play(sayings, breaks_in_content, trouble)
    scene.check()


@given(
    ORDERS,
    st.booleans(),
    st.integers(min_value=0, max_value=12),
    st.sampled_from(["550 5.1.1 no\r\n", "450 no\r\n", "250 Ok\r\n", "354 go\r\n", "421 bye\r\n"]),
    st.booleans(),
    BREAKS,
)
def test_a_server_that_behaves_but_for_one_reply(
    options: dict[str, Any], pipelining: bool, odd: int, saying: str, breaks_in_content: bool, trouble: Any
) -> None:
    """Random servers seldom come as far as the dot; this one does."""
    scene = Scene(options, pipelining)
    driver = scene.driver
    number = 0
    while not driver.closed and (driver.wire.awaited or (driver.sending is not None and not breaks_in_content)):
        if driver.sending is not None:
            driver.send_content()
        else:
            right = "354 go\r\n" if driver.wire.head is DATA else "250 2.0.0 Ok\r\n"
            driver.feed((saying if number == odd else right).encode())
            number += 1
    if driver.sending is not None or not scene.run.ended:
        driver.break_off(trouble)
    scene.check()
    if number <= odd and not breaks_in_content and options["probe"] == NO_PROBE and options["fault"] is None:
        assert all(isinstance(verdict, Reply) for verdict in scene.transaction.verdicts)
        assert scene.transaction.trouble is None
        assert driver.wire.reusable == options["keep"]


def test_stages_of_the_end_are_nobodys_trouble() -> None:
    """A server that goes away at RSET or QUIT changes no verdict."""
    for pipelining in (True, False):
        transaction, driver = run(make_order(keep_open=lambda: False, await_quit=True), pipelining=pipelining)
        driver.feed(OK + b"550 no\r\n")
        driver.feed(b"503 no\r\n" if pipelining else b"")
        assert driver.wire.head is RSET
        lost = ConnectionLost("gone")
        driver.break_off(lost)
        assert isinstance(transaction.verdicts[0], Refusal)
        assert transaction.trouble == (None if pipelining else (lost, RSET))
        transaction, driver = run(make_order(keep_open=lambda: False, await_quit=True), pipelining=pipelining)
        driver.feed(OK + OK + b"354 go\r\n")
        driver.send_content()
        driver.feed(OK)
        assert driver.wire.head is QUIT
        driver.break_off(TimedOut("late"))
        assert isinstance(transaction.verdicts[0], Reply)
        assert transaction.trouble is None
