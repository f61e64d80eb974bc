"""Plays dialogues with the protocol scripts: no socket, no clock, no event loop.

`perform` plays a dialogue (the format is that of `mailrider.testkit.script`) from the greeting to the end, hands what the
server says to the scripts in the pieces that a `Cut` makes of it, checks every line that the client must send, and returns
a `Performance`, which must be the same for every cut.

Settings of a dialogue
----------------------

=====================  ==============================================================================================
`title`, `sender`      one each; the sender may be empty
`recipient`            one for each recipient
`protocol`             `lmtp` instead of `smtp`
`set: name = value`    a parameter by its smtp name: `smtp_always_send_ehlo`, `smtp_never_send_ehlo`,
                       `smtp_skip_5xx_greeting`, `smtp_skip_quit_response`, `smtp_discard_ehlo_keywords`,
                       `smtp_pix_workarounds`, `smtp_address_verify_target`, `smtp_line_length_limit`, `line_length_limit`,
                       `smtp_sasl_auth_soft_bounce`
`probe: yes`           verify the recipients, send no content
`keep_open: yes`       ask for the connection to be kept
`reused: KEYWORDS`     no opening: a kept connection to a server that has announced these extensions
`port_25: yes`         look for loops; `best_exchanger: yes`: no better server exists
`client: name=value`   an XFORWARD attribute
`content: text`        the message, with `\\r`, `\\n`, `\\\\` and `\\xHH` (default: `Subject: x`, an empty line, `text`)
`content_fails: why`   reading it fails after the first piece
`dot_delay: seconds`   keep the dot out of the last packet
`chunking: yes`        use BDAT where it is offered; `proved`: this server has taken it before
`messages: 2`          submit the message twice, the second one behind the first
`leave: yes`           say QUIT on a connection that was kept
`login: user password` log in with the best mechanism that is offered, as `delivery.login` does
=====================  ==============================================================================================

And what must be true at the end, apart from the `E:` lines, neither more nor less:

=====================  ==============================================================================================
`then: kept`           the connection is fit for another transaction
`then: in doubt`       the message may have been delivered although nobody knows
`then: not started`    nothing has happened: the message can go over another connection
`then: bdat failed`    the server does not know BDAT; the message can go to it with DATA
`then: waits 10`       the dot was held back so many seconds
`warning: pattern`     a refusal without consequence
`note: pattern`        something odd in a reply
=====================  ==============================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mailrider.content.lines import prepare_lines
from mailrider.delivery.trouble import STATUS, failure_of_refusal, failure_of_trouble, judge
from mailrider.errors import ConnectionLost, ContentUnreadable, TimedOut
from mailrider.model import status as status_code
from mailrider.model.request import Envelope, Recipient
from mailrider.sasl.choice import NoMechanism, Rules, choose_mechanism
from mailrider.sasl.mechanism import Identity
from mailrider.sasl.secret import Secret
from mailrider.smtp import commands
from mailrider.smtp.authentication import Login, LoginTerms
from mailrider.smtp.capabilities import Capabilities, known_discards, parse_capabilities
from mailrider.smtp.chunked import ChunkedTransaction
from mailrider.smtp.handshake import Opening, Terms, take_leave
from mailrider.smtp.refusal import Refusal
from mailrider.smtp.reply import GarbageLine, LineCut, LineReplaced, Note, Reply, ReplyParser
from mailrider.smtp.stage import AUTH, LMTP_AUTH
from mailrider.smtp.transaction import NO_PROBE, PROBE_DATA, PROBE_RCPT, Order, Transaction
from mailrider.smtp.trouble import Trouble
from mailrider.smtp.xforward import forward_client
from mailrider.testkit.script import (
    ClientCloses,
    ClientSays,
    ClientSendsContent,
    Dialogue,
    ServerCloses,
    ServerFallsSilent,
    ServerSays,
    Step,
)

from .driver import Cut, Driver

HOST = "mx.example.test"
PEER = "mx.example.test[192.0.2.1]"
RELAY = "mx.example.test[192.0.2.1]:25"
OUR_NAME = "client.example.test"
DEFAULT_CONTENT = b"Subject: x\r\n\r\ntext\r\n"


@dataclass(frozen=True)
class Performance:
    """What came of a dialogue: (recipient, status word, enhanced code, text) for each recipient, and everything else."""

    outcomes: tuple[tuple[str, str, str, str], ...]
    written: bytes
    remarks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class WrongLine(AssertionError):
    """The client does not keep to the dialogue."""


@dataclass
class _Play:
    """One performance under way."""

    dialogue: Dialogue
    cut: Cut
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        dialogue = self.dialogue
        self.settings = dict(dialogue.settings)
        self.parameters = dict(re.split(r"\s*=\s*", value, maxsplit=1) for value in dialogue.values_of("set"))
        self.lmtp = self.settings.get("protocol") == "lmtp"
        self.recipients = dialogue.values_of("recipient")
        limit = int(self.parameters.get("line_length_limit", "2048"))
        self.driver = Driver(ReplyParser(limit))
        self.opening: Opening | None = None
        self.login: Login | None = None
        self.transactions: list[Transaction] = []
        self.matched = 0  # how much of what was written has been looked at
        self.chunk_octets = -1  # announced by the last BDAT
        self.submitted = self.left = False

    # -- from the settings ---------------------------------------------------------------------------------------------

    def says(self, name: str) -> bool:
        return self.settings.get(name) == "yes"

    def is_set(self, name: str, default: str) -> bool:
        return self.parameters.get(name, default) == "yes"

    @property
    def awaits_quit(self) -> bool:
        return not self.is_set("smtp_skip_quit_response", "yes")

    def terms(self) -> Terms:
        return Terms(
            peer=PEER,
            relay=RELAY,
            nexthop="example.test",
            helo_name=OUR_NAME,
            own_name=OUR_NAME,
            lmtp=self.lmtp,
            always_send_ehlo=self.is_set("smtp_always_send_ehlo", "yes"),
            never_send_ehlo=self.is_set("smtp_never_send_ehlo", "no"),
            skip_5xx_greeting=self.is_set("smtp_skip_5xx_greeting", "yes"),
            detect_loops=self.says("port_25"),
            is_best_exchanger=self.says("best_exchanger"),
            await_quit=self.awaits_quit,
            discard=lambda: known_discards(re.split(r"[,\s]+", self.parameters.get("smtp_discard_ehlo_keywords", ""))),
            pix_workarounds=lambda: tuple(self.parameters.get("smtp_pix_workarounds", "").split()),
        )

    def content(self) -> Iterator[bytes]:
        text = self.settings.get("content")
        octets = DEFAULT_CONTENT if text is None else text.encode("latin-1").decode("unicode_escape").encode("latin-1")
        yield octets
        if "content_fails" in self.settings:
            raise ContentUnreadable(self.settings["content_fails"])

    def transaction(self, offered: Capabilities, *, reused: bool) -> Transaction:
        client = dict(value.split("=", 1) for value in self.dialogue.values_of("client"))
        target = PROBE_DATA if self.parameters.get("smtp_address_verify_target") == "data" else PROBE_RCPT
        line_limit = int(self.parameters.get("smtp_line_length_limit", "998"))
        chunked = "chunking" in self.settings and offered.chunking
        envelope = Envelope(self.settings.get("sender", ""), tuple(Recipient(address) for address in self.recipients))
        size_octets = len(b"".join(self.content())) if "content_fails" not in self.settings else 1000
        order = Order(
            PEER,
            commands.mail_from(envelope, offered, size_octets),
            tuple(commands.rcpt_to(recipient, offered) for recipient in envelope.recipients),
            lambda: prepare_lines(self.content(), line_limit, stuff=not chunked),
            lambda: self.says("keep_open"),
            self.lmtp,
            target if self.says("probe") else NO_PROBE,
            forward_client(client, "QID", offered) if client else (),
            reused,
            self.awaits_quit,
            float(self.settings.get("dot_delay", "0")),
            RELAY,
        )
        if chunked:
            return ChunkedTransaction(order, size_octets, proved=self.settings["chunking"] == "proved")
        return Transaction(order)

    # -- the course of it ----------------------------------------------------------------------------------------------

    def perform(self) -> Performance:
        if "reused" in self.settings:
            lines = [b"250-" + HOST.encode(), *(b"250-" + word.encode() for word in self.settings["reused"].split())]
            self.submit(parse_capabilities(Reply(250, tuple(lines), lines[-1])), reused=True)
        else:
            self.opening = Opening(self.terms(), self.warnings.append)
            self.driver.run(self.opening.run(self.driver.wire))
        said = b""
        for step in self.dialogue.steps:
            if isinstance(step, ServerSays):
                said += step.octets
                continue
            self.hear(said, step)
            said = b""
            self.take(step)
        self.hear(said, None)
        if self.matched < len(self.driver.written):
            raise WrongLine(f"the client says more than it should: {bytes(self.driver.written[self.matched :])!r}")
        if self.opening is not None and self.opening.result is None:
            raise WrongLine("the client still waits in the opening")
        return self.sum_up()

    def hear(self, said: bytes, step: Step | None) -> None:
        """The server speaks.  By then the client must have said what it should, and nothing more."""
        if not said:
            return
        if self.matched < len(self.driver.written) and not self.driver.closed:
            raise WrongLine(f"{self.where(step)}: the client said too early {bytes(self.driver.written[self.matched :])!r}")
        for piece in self.cut(said):
            self.driver.feed(piece)
            self.go_on()

    def go_on(self) -> None:
        """Between the scripts: from the opening to the messages, and from them to the leave."""
        if self.opening is not None and isinstance(self.opening.result, Capabilities) and not self.submitted:
            if self.login is None and "login" in self.settings:
                self.log_in(self.opening.result)
            elif self.login is None or isinstance(self.login.result, Reply):
                self.submit(self.opening.result, reused=False)
        wire = self.driver.wire
        if self.says("leave") and not self.left and self.submitted and wire.free and wire.reusable and not wire.awaited:
            self.left = True
            self.driver.run(take_leave(wire, await_reply=self.awaits_quit))

    def log_in(self, offered: Capabilities) -> None:
        user, password = self.settings["login"].split()
        mechanism = choose_mechanism(offered.auth, Rules(), Identity(user, Secret(password), host=HOST))
        assert not isinstance(mechanism, NoMechanism)
        soft_bounce = self.is_set("smtp_sasl_auth_soft_bounce", "yes")
        terms = LoginTerms(PEER, LMTP_AUTH if self.lmtp else AUTH, soft_bounce, self.awaits_quit)
        self.login = Login(mechanism, mechanism.begin(), terms, self.warnings.append)
        self.driver.run(self.login.run(self.driver.wire))

    def submit(self, offered: Capabilities, *, reused: bool) -> None:
        self.submitted = True
        self.driver.wire.pipelining = offered.pipelining
        for _ in range(int(self.settings.get("messages", "1"))):
            self.transactions.append(self.transaction(offered, reused=reused))
        for transaction in self.transactions:
            self.driver.run(transaction.run(self.driver.wire))

    def take(self, step: Step) -> None:
        driver = self.driver
        if isinstance(step, ClientSays):
            self.match_line(step)
        elif isinstance(step, ClientSendsContent):
            self.match_content(step)
        elif isinstance(step, ServerCloses):
            driver.break_off(ConnectionLost("reset" if step.abruptly else "closed"))
        elif isinstance(step, ServerFallsSilent):
            driver.break_off(TimedOut("time limit"))
        else:
            assert isinstance(step, ClientCloses)
            if driver.sending is not None:
                driver.send_content()
            if not driver.closed:
                raise WrongLine(f"{self.where(step)}: the client does not close the connection")
        self.go_on()

    def where(self, step: Step | None) -> str:
        return f"{self.dialogue.title}, " + ("end" if step is None else f"line {step.place}")

    def match_line(self, step: ClientSays) -> None:
        if self.matched == len(self.driver.written) and self.driver.sending is not None:
            self.driver.send_content()
        rest = bytes(self.driver.written[self.matched :])
        line, end, _ = rest.partition(b"\r\n")
        if not end or not step.pattern.matches(line.decode("utf-8")):
            raise WrongLine(f"{self.where(step)}: the client says {line!r}, not {step.pattern.text!r}")
        self.matched += len(line) + 2
        self.chunk_octets = int(line.split()[1]) if line.startswith(b"BDAT ") else -1

    def match_content(self, step: ClientSendsContent) -> None:
        if self.driver.sending is not None:
            self.driver.send_content()
        rest = bytes(self.driver.written[self.matched :])
        if self.chunk_octets >= 0:
            content = rest[: self.chunk_octets]
            self.matched += self.chunk_octets
        else:
            end = (b"\r\n" + rest).find(b"\r\n.\r\n")
            if end < 0:
                raise WrongLine(f"{self.where(step)}: no content with a dot at its end in {rest!r}")
            content = (b"\r\n" + rest[:end]).replace(b"\r\n..", b"\r\n.")[2:]
            self.matched += end + 3
        if not step.pattern.matches(content.decode("latin-1")):
            raise WrongLine(f"{self.where(step)}: the content is {content!r}, not {step.pattern.text!r}")

    # -- what came of it -----------------------------------------------------------------------------------------------

    def sum_up(self) -> Performance:
        outcomes = [outcome for transaction in self.transactions for outcome in self.outcomes_of(transaction)]
        if not self.transactions:
            assert self.opening is not None
            result = self.opening.result if self.login is None else self.login.result
            assert isinstance(result, Refusal | Trouble)
            outcomes = [self.failed(recipient, result) for recipient in self.recipients]
        self.warnings += [warning for transaction in self.transactions for warning in transaction.warnings]
        return Performance(
            tuple(outcomes),
            bytes(self.driver.written),
            tuple(self.remarks()),
            tuple(self.warnings),
            tuple(map(tell_note, self.driver.notes)),
        )

    def remarks(self) -> Iterator[str]:
        wire, transactions = self.driver.wire, self.transactions
        if wire.reusable and not wire.garbled and not self.driver.closed and transactions:
            yield "kept"
        if any(transaction.in_doubt for transaction in transactions):
            yield "in doubt"
        if transactions and not all(transaction.started for transaction in transactions):
            yield "not started"
        if any(isinstance(transaction, ChunkedTransaction) and transaction.bdat_failed for transaction in transactions):
            yield "bdat failed"
        for seconds in self.driver.pauses:
            yield f"waits {seconds:g}"

    def outcomes_of(self, transaction: Transaction) -> Iterator[tuple[str, str, str, str]]:
        for recipient, verdict in zip(self.recipients, transaction.verdicts, strict=True):
            if isinstance(verdict, Reply):
                status = status_code.OK if verdict.code // 100 == 3 else verdict.status
                yield recipient, "deliverable" if self.says("probe") else "sent", status, verdict.text
            elif verdict is not None:
                yield self.failed(recipient, verdict)
            elif transaction.trouble is not None:
                yield self.failed(recipient, transaction.trouble)
            elif isinstance(transaction, ChunkedTransaction) and transaction.bdat_failed:
                yield recipient, "deferred", "4.0.0", "send it with DATA"
            else:
                raise WrongLine(f"{recipient} was forgotten")

    def failed(self, recipient: str, why: Refusal | Trouble) -> tuple[str, str, str, str]:
        failure = failure_of_refusal(why, HOST) if isinstance(why, Refusal) else failure_of_trouble(why, PEER)
        status, _ = STATUS[judge(failure, last_server=True, soft_bounce=False)]
        word = "undeliverable" if self.says("probe") else status.value
        return recipient, word, failure.status, failure.text


def tell_note(note: Note) -> str:
    if isinstance(note, GarbageLine):
        return f"garbage {note.line}"
    if isinstance(note, LineReplaced):
        return f"replaced {note.original} by {note.replacement}"
    return f"{'line' if isinstance(note, LineCut) else 'reply'} cut {note.beginning}"


def perform(dialogue: Dialogue, cut: Cut) -> Performance:
    """Play a dialogue; raises `WrongLine` where the client does not keep to it."""
    return _Play(dialogue, cut).perform()
