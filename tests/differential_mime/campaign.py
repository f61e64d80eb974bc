"""Running messages through both, and telling where they differ."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.content.walking import Content
from tests.differential_mime.messages import MessageMaker
from tests.differential_mime.postfix import Postfix
from tests.differential_mime.recorder import Book, Received, Recorder
from tests.differential_mime.variants import FILES, RAW, SENDER, VARIANTS, Variant

from mailrider.content.fit import Fitting, fit_content
from mailrider.errors import UnsuitableContent

PIECE_OCTETS = 777
"""How our content is cut: oddly, so that line ends fall between two pieces."""

BATCH = 50
"""Messages that are under way at once."""

WAIT_SECONDS = 60.0
"""For a batch; a busy machine is slow, a lost message never comes."""


@dataclass(frozen=True)
class Difference:
    """`seed` makes the message again."""

    seed: int
    variant: str
    what: str
    theirs: object
    ours: object


class Campaign:
    """A private Postfix with all variants, and the two servers that it delivers to."""

    def __init__(self, record_limit: int) -> None:
        self._record_limit = record_limit
        self._book = Book()
        self._servers = {True: Recorder(self._book), False: Recorder(self._book, "8BITMIME")}
        everything = (RAW, *VARIANTS)
        self.postfix = Postfix(
            services={variant.name: variant.service for variant in everything},
            transports={
                SENDER.partition("@")[2]: "discard:",
                **{v.domain: f"{v.name}:[127.0.0.1]:{self._servers[v.seven_bit].port}" for v in everything},
            },
            settings={
                "line_length_limit": str(record_limit),
                "default_destination_recipient_limit": "1",
                "recipient_delimiter": "+",
            },
            files=FILES,
        )

    def __enter__(self) -> Campaign:
        self.postfix.__enter__()
        return self

    def __exit__(self, *arguments: object) -> None:
        self.postfix.__exit__(*arguments)
        for server in self._servers.values():
            server.close()

    def run(self, seeds: range) -> Iterator[Difference]:
        """Deliver the messages of these seeds and compare."""
        for start in range(seeds.start, seeds.stop, BATCH):
            batch = range(start, min(start + BATCH, seeds.stop))
            messages = [
                (
                    [_recipient(seed, variant) for variant in (RAW, *VARIANTS)],
                    MessageMaker(seed, self._record_limit).make(),
                )
                for seed in batch
            ]
            self.postfix.submit(SENDER, messages)
            missing = self._book.wait_for({address for recipients, _ in messages for address in recipients}, WAIT_SECONDS)
            if missing:
                raise RuntimeError(f"never delivered: {sorted(missing)}\n{self.postfix.log_text()[-5000:]}")
            told = self._told({address for recipients, _ in messages for address in recipients})
            for seed in batch:
                for variant in VARIANTS:
                    yield from self._compare(seed, variant, told)

    def _compare(self, seed: int, variant: Variant, told: dict[str, list[str]]) -> Iterator[Difference]:
        recipient = _recipient(seed, variant)
        content = unstuff(self._book.messages[_recipient(seed, RAW)].wire)
        theirs = self._book.messages[recipient]
        reports: list[str] = []
        fitting = variant.fitting_for(recipient, self._record_limit)
        ours = fit(content, replace(fitting, report=reports.append))
        if ours.ended != theirs.ended:
            yield Difference(seed, variant.name, "end", theirs.ended, ours.ended)
        elif ours.ended and ours.wire != theirs.wire and not _differs_in_folds_only(content, fitting, theirs.wire):
            yield Difference(seed, variant.name, "octets", *_around_difference(theirs.wire, ours.wire))
        shown = _put_folding_last([_as_logged(report) for report in reports])
        logged = _put_folding_last(told[recipient])
        if ours.ended and shown != logged:
            yield Difference(seed, variant.name, "log", *_without_common_part(logged, shown))

    def _told(self, recipients: set[str]) -> dict[str, list[str]]:
        """What Postfix logged about each delivery, by recipient.  The log may be a little behind the deliveries."""
        end = time.monotonic() + WAIT_SECONDS
        while recipients - (told := self._read_log()).keys() and time.monotonic() < end:
            time.sleep(0.05)
        return told

    def _read_log(self) -> dict[str, list[str]]:
        texts: dict[tuple[str, str], list[str]] = defaultdict(list)
        told: dict[str, list[str]] = {}
        for variant, queue_id, text in self.postfix.log_entries():
            if text.startswith("to=<"):
                told[text[4:].partition(">")[0]] = texts.pop((variant, queue_id), [])
            elif queue_id:
                texts[variant, queue_id].append(text)
        return told


def _put_folding_last(texts: list[str]) -> list[str]:
    """smtp(8) folds each line as it looks at it, Mailrider a block of lines after it has looked at them."""
    return sorted(texts, key=lambda text: text.startswith("breaking line"))


def _as_logged(report: str) -> str:
    """As Postfix logs without SMTPUTF8: each octet that is not printable ASCII is a `?`."""
    octets = report.encode("utf-8", "surrogateescape")
    return "".join([chr(octet) if 32 <= octet < 127 else "?" for octet in octets])


def _differs_in_folds_only(content: bytes, fitting: Fitting, theirs: bytes) -> bool:
    """A fold of ours never cuts a UTF-8 character; this says whether that is all."""
    unfolded = fit(content, replace(fitting, line_limit_octets=0))
    return fitting.line_limit_octets > 0 and fold_at_octets(unfolded.wire, fitting.line_limit_octets) == theirs


def _around_difference(theirs: bytes, ours: bytes) -> tuple[bytes, bytes]:
    position = next((i for i, (a, b) in enumerate(zip(theirs, ours, strict=False)) if a != b), min(len(theirs), len(ours)))
    window = slice(max(position - 200, 0), position + 100)
    return theirs[window], ours[window]


def _without_common_part(theirs: list[str], ours: list[str]) -> tuple[list[str], list[str]]:
    common = next((i for i, (a, b) in enumerate(zip(theirs, ours, strict=False)) if a != b), min(len(theirs), len(ours)))
    return theirs[common : common + 3], ours[common : common + 3]


def _recipient(seed: int, variant: Variant) -> str:
    return f"m{seed}@{variant.domain}"


def fit(content: bytes, fitting: Fitting) -> Received:
    """What Mailrider sends."""
    out = bytearray()
    try:
        for piece in fit_content(Content(content, PIECE_OCTETS), fitting):
            out += piece
    except UnsuitableContent:
        return Received(bytes(out), False)
    return Received(bytes(out), True)


def unstuff(wire: bytes) -> bytes:
    """Without dot stuffing."""
    return (b"\n" + wire).replace(b"\n.", b"\n")[1:]


def fold_at_octets(wire: bytes, limit: int) -> bytes:
    """Folding without mercy: the wire text of a message that was not folded, folded."""
    lines = []
    for line in wire[:-2].split(b"\r\n"):
        dot, text = (b".", line[1:]) if line.startswith(b".") else (b"", line)
        pieces = [dot + text[:limit]]
        pieces += [b" " + text[start : start + limit - 1] for start in range(limit, len(text), limit - 1)]
        lines += pieces
    return b"\r\n".join(lines) + b"\r\n" if wire else wire
