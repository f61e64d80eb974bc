"""The queue in numbers, in the text format that Prometheus reads, for the textfile collector of its node exporter.

Names and units keep to Prometheus's own rules: base units, in the name.  Domains are what strangers have written, and are
escaped; how many there are is the caller's to bound, since each becomes a time series.
"""

from __future__ import annotations

from collections.abc import Iterator

from mailrider.model.printable import make_printable
from mailrider.spool.spool import Stats

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def write_metrics(counts: Stats, limit_domains: int, now_seconds: float) -> Iterator[str]:
    """Lines; the `limit_domains` domains with the most recipients are told apart."""
    age = max(0.0, now_seconds - counts.oldest_arrival_seconds) if counts.messages else 0.0
    yield from _gauge("messages", "Messages in the queue.", {"": counts.messages})
    yield from _gauge("size_bytes", "Size of all messages in the queue.", {"": counts.size_octets})
    yield from _gauge("held_messages", "Messages that an operator has put on hold.", {"": counts.on_hold_messages})
    yield from _gauge("oldest_message_age_seconds", "How long the oldest message has been in the queue.", {"": round(age, 1)})
    states = {"due": counts.due, "deferred": counts.deferred}
    yield from _gauge("recipients", "Recipients whose turn has come, and who wait for it.", _label("state", states))
    domains = {domain.domain: domain.recipients for domain in counts.domains[:limit_domains]}
    yield from _gauge("domain_recipients", "Recipients by domain.", _label("domain", domains))


def _gauge(name: str, doc: str, values: dict[str, float]) -> Iterator[str]:
    yield f"# HELP mailrider_queue_{name} {doc}"
    yield f"# TYPE mailrider_queue_{name} gauge"
    for label, value in values.items():
        yield f"mailrider_queue_{name}{label} {value}"


def _label(name: str, values: dict[str, int]) -> dict[str, float]:
    return {f'{{{name}="{make_printable(key).translate(_ESCAPES)}"}}': value for key, value in values.items()}
