"""The stand-alone node: what Postfix has no parameter for.  None of these changes what a parameter of Postfix does."""

from __future__ import annotations

import re

from mailrider.settings.kinds import Choice, Count, Flag, Seconds, Text
from mailrider.settings.parameter import Parameter, Section, WrongValue

_RATE = r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(?:/\s*([0-9]{1,4}\s*)?([a-z]+))?"
_UNITS = {
    "s": 1.0, "sec": 1.0, "second": 1.0, "m": 60.0, "min": 60.0, "minute": 60.0, "h": 3600.0, "hour": 3600.0, "d": 86_400.0,
    "day": 86_400.0,
}  # fmt: skip


RATE_WANTED = "messages in a time, such as 20/s, 600/min, 5000/h or 1/5s"


def parse_rate(text: str) -> float:
    """The seconds between two messages: `20/s` is 0.05, `1/5s` is 5.  Empty or 0: any number, 0.0.  Raises `WrongValue`."""
    if not text:
        return 0.0
    match = re.fullmatch(_RATE, text.strip().lower())
    unit = _UNITS.get(match[3] or "s") if match is not None else None
    if match is None or unit is None or (match[2] and not int(match[2])):
        raise WrongValue(RATE_WANTED)
    count = float(match[1])
    return int(match[2] or 1) * unit / count if count else 0.0


class MessageRate(Parameter[float]):
    """Messages in a time, `20/s`, `600/min`, `5000/h`, `1/5s`; the value is the seconds between two.

    Empty or 0: any number.
    """

    wanted = RATE_WANTED

    def _convert(self, text: str) -> float:
        return parse_rate(text)


class Node(Section, title="stand-alone node"):
    """The queue's own ways."""

    mail_owner = Text(
        "postfix",
        "Who owns the queue, and whom a node that is started as root becomes; nobody where this is not set and there is no "
        "user postfix.",
        since="pre-2.0", least=1, listed=False, in_effect=True,
    )  # fmt: skip
    retry_jitter = Count(
        "0", "Per cent of the pause before a retry that are added at random; 0 keeps to the schedule of qmgr(8).",
        most=100, ours=True, since="", in_effect=True,
    )  # fmt: skip
    default_destination_rate = MessageRate(
        "", "How many messages go to one destination in a time, evenly spaced; empty: any number.",
        ours=True, since="", in_effect=True,
    )  # fmt: skip
    transport_destination_rate = MessageRate(
        "$default_destination_rate", "How many messages go to one destination in a time, for one service.",
        ours=True, since="", per_service=True, listed=False, in_effect=True,
    )  # fmt: skip
    default_transport_rate = MessageRate(
        "", "How many messages go over one service in a time, evenly spaced; empty: any number.",
        ours=True, since="", in_effect=True,
    )  # fmt: skip
    transport_transport_rate = MessageRate(
        "$default_transport_rate", "How many messages go over a service in a time, for one service.",
        ours=True, since="", per_service=True, listed=False, in_effect=True,
    )  # fmt: skip
    rates_count_null_sender = Flag(
        "no", "Whether mail from the null sender (bounces, notices, reports) counts for the rates, and waits for them; it "
        "always does where a service has a rate delay as well.",
        ours=True, since="", in_effect=True,
    )  # fmt: skip
    destination_group = Choice(
        "none", "What destinations share to be limited as one: with mx, those that have the same exchangers share one "
        "window and one rate.",
        of=("none", "mx"), ours=True, since="", in_effect=True,
    )  # fmt: skip
    deliveries_limit = Count(
        "2000", "How many deliveries of one service may be under way at once, where master.cf does not say.",
        least=1, ours=True, since="", in_effect=True,
    )  # fmt: skip
    shutdown_grace_time = Seconds(
        "30s", "How long deliveries that are under way may go on when the node stops.",
        least=0, ours=True, since="", in_effect=True,
    )  # fmt: skip
    log_destination = Choice(
        "stderr", "Where the log goes where maillog_file is empty.",
        of=("stderr", "syslog"), ours=True, since="", in_effect=True,
    )  # fmt: skip
