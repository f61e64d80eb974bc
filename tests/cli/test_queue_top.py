"""The queue on a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from mailrider.cli.queue_top import ROWS, draw
from mailrider.spool.spool import HELD_SECONDS, DomainCount, Stats

NOW = 1_800_000_000.0


def written(counts: Stats, before: Stats | None) -> str:
    out = io.StringIO()
    Console(file=out, width=120).print(draw(counts, before, 2.0, NOW))
    return out.getvalue()


def counts_of(messages: int, *domains: DomainCount) -> Stats:
    recipients = sum(count.recipients for count in domains)
    return Stats(messages, 100, recipients, 1, recipients - 1, 0, NOW - 100, domains)


def test_what_is_shown() -> None:
    before = counts_of(10, DomainCount("b.example", 4, NOW - 3700, NOW + 90))
    after = counts_of(
        20, DomainCount("b.example", 9, NOW - 3700, NOW + 90), DomainCount("c\x1b.example", 1, NOW - 5, HELD_SECONDS)
    )
    shown = written(after, before)
    for text in ("20 messages, +5.0 messages/s", "b.example", "+5", "1 h 1 min", "1 min 30 s", "c?.example", "on hold"):
        assert text in shown


def test_the_first_look_knows_no_change() -> None:
    shown = written(counts_of(1, DomainCount("", 2, NOW, NOW)), None)
    assert "messages/s" not in shown
    assert "(none)" in shown
    assert "now" in shown


def test_more_domains_than_rows() -> None:
    shown = written(counts_of(1, *[DomainCount(f"d{n}.example", 1, NOW, NOW) for n in range(ROWS + 3)]), None)
    assert "and 3 more domains" in shown
