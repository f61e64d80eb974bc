"""The queue as Prometheus reads it."""

from __future__ import annotations

from mailrider.observe.metrics import write_metrics
from mailrider.spool.spool import DomainCount, Stats

DOMAINS = (
    DomainCount("dest.example", 3, 1000.0, 2000.0),
    DomainCount('a"b\\c\n', 2, 1000.0, 2000.0),
    DomainCount("third.example", 1, 1000.0, 2000.0),
)


def test_a_queue_with_mail_in_it() -> None:
    text = list(write_metrics(Stats(4, 5000, 6, 2, 4, 1, 1000.0, DOMAINS), 2, 1060.55))
    assert [line for line in text if not line.startswith("#")] == [
        "mailrider_queue_messages 4",
        "mailrider_queue_size_bytes 5000",
        "mailrider_queue_held_messages 1",
        "mailrider_queue_oldest_message_age_seconds 60.5",
        'mailrider_queue_recipients{state="due"} 2',
        'mailrider_queue_recipients{state="deferred"} 4',
        'mailrider_queue_domain_recipients{domain="dest.example"} 3',
        'mailrider_queue_domain_recipients{domain="a\\"b\\\\c?"} 2',
    ]
    assert text[:2] == [
        "# HELP mailrider_queue_messages Messages in the queue.", "# TYPE mailrider_queue_messages gauge",
    ]  # fmt: skip


def test_an_empty_queue_has_no_age() -> None:
    text = list(write_metrics(Stats(0, 0, 0, 0, 0, 0, 0.0, ()), 20, 1060.0))
    assert "mailrider_queue_oldest_message_age_seconds 0.0" in text
    assert "mailrider_queue_messages 0" in text
    assert not [line for line in text if line.startswith("mailrider_queue_domain")]
