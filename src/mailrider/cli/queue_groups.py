"""With whom each recipient of a message shares its window (`destination_group = mx`), as DNS says at this moment.

It is asked as the node asks; a node that runs may still go by an answer that is some minutes old (`queue.grouping`).
"""

from __future__ import annotations

import asyncio

from mailrider.events import ignore_event
from mailrider.node_parts import Ways, make_router
from mailrider.queue.grouping import PATIENCE_SECONDS
from mailrider.queue.portion import Way
from mailrider.route.exchanger_set import ExchangerSet, Unknown
from mailrider.settings import Settings
from mailrider.spool.spool import StoredMessage
from mailrider.wiring import Engine


async def find_groups(message: StoredMessage, settings: Settings) -> dict[int, str]:
    """A sentence for each recipient whose destination is grouped, by its number.  Raises `WrongConfiguration`."""
    router = make_router(settings, lambda warning: None)
    engine = Engine(settings, ignore_event)
    ways = Ways(engine, ignore_event)
    found: dict[Way, str] = {}
    told: dict[int, str] = {}
    try:
        for one in message.recipients:
            way = ways.find(router.find(message.envelope.sender, one.recipient.address))
            if isinstance(way, Way) and way.find_exchangers is not None:
                if way not in found:
                    found[way] = await _describe(way)
                told[one.number] = found[way]
    finally:
        await engine.close()
    return told


async def _describe(way: Way) -> str:
    assert way.find_exchangers is not None
    answer: ExchangerSet | Unknown | None = Unknown("no answer in time")
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            answer = await way.find_exchangers(way.nexthop)
    except TimeoutError:
        pass
    if answer is None:
        return f"{way.name} is limited on its own: it names no exchangers"
    if isinstance(answer, Unknown):
        return f"{way.name} is limited on its own, or as it was before: {answer.reason}"
    return f"{way.name} is limited together with all destinations at {', '.join(answer.names)}, port {answer.port}"
