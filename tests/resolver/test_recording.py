"""What was asked is remembered, once."""

from __future__ import annotations

import asyncio

from mailrider.resolver.answer import Verdict
from mailrider.resolver.recording import QUESTIONS_LIMIT, RecordingResolver
from mailrider.testkit.zone import Zone, ZoneResolver


def test_each_question_is_remembered_once_with_its_answer() -> None:
    async def main() -> RecordingResolver:
        resolver = RecordingResolver(ZoneResolver(Zone(["a.test A 192.0.2.1"], secure=True)))
        for _ in range(3):
            await resolver.ask("a.test", ("A",), dnssec=True)
        await resolver.ask("b.test", ("MX",))
        await resolver.ask_host("a.test")
        return resolver

    asked = asyncio.run(main()).asked
    assert [(each.name, each.types, each.dnssec) for each in asked] == [("a.test", ("A",), True), ("b.test", ("MX",), False)]
    assert asked[0].answer.records[0].secure
    assert asked[1].answer.verdict is Verdict.NOT_FOUND


def test_there_is_an_end_to_it() -> None:
    async def main() -> RecordingResolver:
        resolver = RecordingResolver(ZoneResolver(Zone()))
        for number in range(QUESTIONS_LIMIT + 10):
            await resolver.ask(f"n{number}.test", ("A",))
        return resolver

    assert len(asyncio.run(main()).asked) == QUESTIONS_LIMIT
