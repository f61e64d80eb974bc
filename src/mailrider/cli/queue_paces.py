"""At which pace each recipient of a message may go: the rates and delays of its service, for those who wonder why it waits.

They are those of the settings as they are now.  How much of a rate has been used is known to the node alone.
"""

from __future__ import annotations

from mailrider.errors import MailriderError
from mailrider.node_parts import INTERNAL_SERVICES, let_notices_pass, make_router
from mailrider.settings import Settings
from mailrider.spool.spool import StoredMessage

SUFFIXES = ("_destination_rate", "_transport_rate", "_destination_rate_delay", "_transport_rate_delay")
_NONE = frozenset({"", "0", "0s"})


def find_paces(message: StoredMessage, settings: Settings) -> dict[int, str]:
    """What limits each recipient, by its number: parameters with their values.  Nothing where none is set."""
    if not any(name.endswith(SUFFIXES) for name in settings.entries):
        return {}
    told: dict[int, str] = {}
    try:
        router = make_router(settings, lambda warning: None)
        for one in message.recipients:
            service = router.find(message.envelope.sender, one.recipient.address).transport
            pace = ", ".join(f"{name} = {text}" for name, text in _read_paces(settings, service).items())
            if pace and service not in INTERNAL_SERVICES:
                passes = not message.envelope.sender and let_notices_pass(settings, service)
                told[one.number] = f"none: it is from the null sender, for which {pace} does not count" if passes else pace
    except MailriderError:
        pass  # a table that does not answer now is no reason to explain nothing
    return told


def _read_paces(settings: Settings, service: str) -> dict[str, str]:
    found = {service + suffix: settings.text(service + suffix) for suffix in SUFFIXES}
    return {name: text for name, text in found.items() if text not in _NONE}
