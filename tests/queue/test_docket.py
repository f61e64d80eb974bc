"""Notices that follow from settings of their own: mail that was late has arrived; answers in the thread of what they answer."""

from __future__ import annotations

import asyncio
import email
from collections.abc import Callable, Coroutine
from email.message import Message
from typing import Any

import pytest
from yard import BOUNCED, DEFERRED, SENT, Yard

from mailrider.model.outcome import Outcome
from mailrider.model.request import DeliveryRequest, Notify, Recipient
from mailrider.queue.schedule import ScheduleTerms
from virtual_time import run

DAY = 86_400.0
LATE = ScheduleTerms(warning_seconds=3600)


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run(scene(), limit_seconds=7 * DAY)


class Post:
    """Delivers notices and reads them; what it does with other mail is up to `fate`."""

    def __init__(self, yard: Yard, fate: Callable[[Recipient], Outcome]) -> None:
        self.notices: list[tuple[str, Message]] = []
        self._fate = fate
        yard.agent.answer = self.answer

    def answer(self, request: DeliveryRequest, recipient: Recipient) -> Outcome:
        if request.envelope.sender == "a@here.example":
            return self._fate(recipient)
        self.notices.append((recipient.address, email.message_from_bytes(b"".join(request.content.chunks()))))
        return SENT

    @property
    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for _, mail in self.notices]


WARNING, ARRIVED = "Delayed Mail (still being retried)", "Successful Mail Delivery Report"


@pytest.mark.parametrize(
    ("confirms", "notify", "expected"),
    [
        (False, Notify.UNSET, [WARNING]),
        (True, Notify.UNSET, [WARNING, ARRIVED]),
        (True, Notify.DELAY, [WARNING, ARRIVED]),
        (True, Notify.FAILURE, []),
        (True, Notify.NEVER, []),
    ],
)
@pytest.mark.parameter("confirm_delay_cleared")
def test_who_was_told_that_mail_is_late_hears_when_it_has_arrived(
    confirms: bool, notify: Notify, expected: list[str]
) -> None:
    async def scene() -> None:
        async with Yard(schedule=LATE, site={"confirms_delays": confirms}) as yard:
            post = Post(yard, lambda recipient: DEFERRED if yard.clock.wall_seconds() - yard.began < DAY / 2 else SENT)
            await yard.send("b@dest.example", notify=notify)
            await asyncio.sleep(DAY)
            assert post.subjects == expected
            assert (await yard.spool.stats()).messages == 0

    play(scene)


@pytest.mark.parameter("confirm_delay_cleared")
def test_mail_that_was_not_late_arrives_in_silence() -> None:
    async def scene() -> None:
        async with Yard(schedule=LATE, site={"confirms_delays": True}) as yard:
            late = {"late@dest.example"}
            post = Post(yard, lambda recipient: DEFERRED if recipient.address in late else SENT)
            await yard.send("b@dest.example", "late@dest.example")
            await asyncio.sleep(DAY / 2)
            late.clear()
            await asyncio.sleep(DAY / 2)
            assert post.subjects == [WARNING, ARRIVED]
            report = post.notices[1][1].as_string()
            assert "Final-Recipient: rfc822; late@dest.example" in report
            assert "b@dest.example" not in report
            assert "Action: relayed" in report

    play(scene)


@pytest.mark.parametrize(("threaded", "expected"), [(True, "<1@there>"), (False, None)])
@pytest.mark.parameter("enable_threaded_bounces")
def test_notices_may_refer_to_the_message(threaded: bool, expected: str | None) -> None:
    async def scene() -> None:
        async with Yard(classes=["bounce"], site={"threaded": threaded}) as yard:
            post = Post(yard, lambda recipient: BOUNCED)
            await yard.send("b@dest.example", content=b"Subject: x\r\nMessage-ID: <1@there>\r\n\r\nhello\r\n")
            await asyncio.sleep(60)
            assert sorted(address for address, _ in post.notices) == ["a@here.example", "postmaster@here.example"]
            assert {mail["References"] for _, mail in post.notices} == {expected}
            assert {mail["In-Reply-To"] for _, mail in post.notices} == {expected}

    play(scene)
