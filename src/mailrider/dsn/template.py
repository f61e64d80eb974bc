"""The words of a notice: built-in texts, and `bounce_template_file` (bounce(5)).

A template has header fields (`Charset`, `From`, `Subject`, and `Postmaster-Subject` for failure and delay), an empty line
and the text.  `$name` in the text is a parameter; `$delay_warning_time_hours` and its like give the parameter in that unit
(seconds, minutes, hours, days, weeks).

What can go wrong: a template that makes no sense is left out with a warning, and the built-in one is used, since a notice in
other words is better than none; a file that cannot be read as such, or that uses an unknown name, is `WrongConfiguration`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from mailrider.errors import WrongConfiguration
from mailrider.settings.expansion import expand

FILE_LIMIT_OCTETS = 1024 * 1024
"""Four short texts; more is another file."""

DIVISORS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400, "weeks": 604_800}
_SCALED = ("delay_warning_time", "maximal_queue_lifetime")

SENDER = "Mail Delivery System <MAILER-DAEMON>"
OBSOLETE_SENDER = "MAILER-DAEMON (Mail Delivery System)"

_FIELD = re.compile(r"([!-9;-~]+)[ \t]*:[ \t]*(.*)")
_ASSIGNMENT = re.compile(r"\s*([A-Za-z0-9_]+)\s*=\s*(.*?)\s*")

_GREETING = "This is the mail system at host $myhostname."
_SIGNATURE = "                   The mail system"
_HELP = ("For help, write to postmaster, and include this report; your own message, which",
         "is attached below, may be left out.")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Template:
    """One notice's words.  `postmaster_subject` is empty where the postmaster gets no copies."""

    name: str
    subject: str
    lines: tuple[str, ...]
    postmaster_subject: str = ""
    charset: str = "us-ascii"
    sender: str = ""
    eight_bit: bool = False

    def sender_line(self, *, obsolete: bool) -> str:
        """What stands in From: (`header_from_format`)."""
        return self.sender or (OBSOLETE_SENDER if obsolete else SENDER)


FAILURE = Template(
    "failure",
    "Undelivered Mail Returned to Sender",
    (_GREETING, "", "Your message could not be delivered to the recipients that are listed below,",
     "for the reasons given there.", "", *_HELP, "", _SIGNATURE),
    "Postmaster Copy: Undelivered Mail",
)  # fmt: skip
DELAY = Template(
    "delay",
    "Delayed Mail (still being retried)",
    (_GREETING, "", "THIS IS ONLY A WARNING: THERE IS NO NEED TO SEND YOUR MESSAGE AGAIN.", "",
     "For $delay_warning_time_hours hour(s) your message could not be delivered to the recipients below.",
     "It will be tried until it is $maximal_queue_lifetime_days day(s) old.", "", *_HELP, "", _SIGNATURE),
    "Postmaster Warning: Delayed Mail",
)  # fmt: skip
SUCCESS = Template(
    "success",
    "Successful Mail Delivery Report",
    (_GREETING, "", "Your message has been delivered, or passed on, to the recipients below. Where it",
     "was passed on, the next system may still report that it could not deliver it.", "", _SIGNATURE),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Templates:
    """The words of all notices."""

    failure: Template = FAILURE
    delay: Template = DELAY
    success: Template = SUCCESS
    warnings: tuple[str, ...] = field(default=(), compare=False)


def parse_templates(text: str, path: str) -> Templates:
    """The templates of a file, with the built-in ones for those that it does not have.

    Raises `WrongConfiguration` for a line that is neither an assignment nor a comment.
    """
    found = Templates()
    warnings: list[str] = []
    lines = iter(enumerate(text.split("\n"), 1))
    for number, line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _ASSIGNMENT.fullmatch(line)
        if match is None:
            raise WrongConfiguration(f"{path}, line {number}: expected name_template = <<EOF")
        name, value = match.groups()
        if value.startswith("<<"):
            value = _collect(lines, value[2:].strip(), f"{path}, line {number}", warnings)
        kind = name.removesuffix("_template")
        known = {"failure": found.failure, "delay": found.delay, "success": found.success}.get(kind)
        if known is not None and kind != name:
            problem, made = _parse_template(value, known)
            if problem:
                warnings.append(f"{path}: {problem} in {kind} template -- ignoring this template")
            else:
                chosen: dict[str, Any] = {kind: made}
                found = replace(found, **chosen)
        elif name != "verify_template":
            warnings.append(f"{path}, line {number}: unknown template name: {name} -- ignoring this template")
    return replace(found, warnings=tuple(warnings))


def _collect(lines: Iterator[tuple[int, str]], marker: str, place: str, warnings: list[str]) -> str:
    """The lines up to one that is the marker."""
    if not marker:
        raise WrongConfiguration(f"{place}: missing end marker after <<")
    if not marker[0].isalnum():
        raise WrongConfiguration(f"{place}: malformed end marker after <<")
    kept: list[str] = []
    for _, line in lines:
        if line == marker:
            return "\n".join(kept)
        kept.append(line)
    warnings.append(f'{place}: missing "{marker}" end marker')
    return "\n".join(kept)


def _parse_template(text: str, known: Template) -> tuple[str, Template]:
    """What is wrong, or empty; and the template."""
    lines = text.split("\n")
    made = known
    while lines and (match := _FIELD.fullmatch(lines[0])) is not None:
        label, value = match[1].lower(), match[2].strip()
        if not value:
            return f'empty "{match[1]}" header value', known
        if not value.isascii():
            return f'non-ASCII "{match[1]}" header value', known
        if label == "postmaster-subject" and not known.postmaster_subject:
            return f'inapplicable "{match[1]}" header label', known
        attribute = {"charset": "charset", "from": "sender", "subject": "subject",
                     "postmaster-subject": "postmaster_subject"}.get(label)  # fmt: skip
        if attribute is None:
            return f'unknown "{match[1]}" header label', known
        changed: dict[str, Any] = {attribute: value}
        made = replace(made, **changed)
        del lines[0]
    while lines and not lines[0].strip():
        del lines[0]
    if not lines:
        return "missing message text", known
    eight_bit = not "".join(lines).isascii()
    if eight_bit and made.charset.lower() == "us-ascii":
        return "8-bit text without a charset of its own", known
    return "", replace(made, lines=tuple(lines), eight_bit=eight_bit)


def expand_lines(
    template: Template, lookup: Callable[[str], str | None], seconds_of: Callable[[str], float]
) -> list[str]:
    """The text with its names filled in.

    `lookup` gives the raw text of a parameter, `seconds_of` the value of one that is a time.  Raises `WrongConfiguration`
    for a name that nobody knows and for a unit that does not exist.
    """

    def find(name: str) -> str | None:
        for scaled in _SCALED:
            if name.startswith(scaled + "_"):
                divisor = DIVISORS.get(name.removeprefix(scaled + "_"))
                if divisor is None:
                    raise WrongConfiguration(f"{template.name} template: unknown unit in ${name}")
                return str(int(seconds_of(scaled)) // divisor)
        value = lookup(name)
        if value is None:
            raise WrongConfiguration(f"{template.name} template: unknown name ${name}")
        return value

    return [expand(line, find) if "$" in line else line for line in template.lines]
