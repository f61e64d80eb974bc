"""What goes into the spool on behalf of a docket."""

from __future__ import annotations

from dataclasses import replace

import pytest
from yard import Diary

from mailrider.dsn.plan import plan_notices
from mailrider.dsn.report import Kind, Message, Report, Site
from mailrider.model.request import Recipient
from mailrider.queue.office import Desk, Hands
from mailrider.queue.schedule import Schedule, ScheduleTerms
from mailrider.spool.memory import MemorySpool
from mailrider.spool.message import MemoryMessage
from virtual_time import VirtualClock, run

SITE = Site("mail.here.example", "here.example", {"myhostname": "mail.here.example"}.get, lambda name: 3600.0)
REPORT = Report(Recipient("b@dest.example"), "5.1.1", "no such user", "failed")


@pytest.mark.parameter("requiretls_redact_dsn")
@pytest.mark.parametrize("redacts", [True, False])
@pytest.mark.parametrize("requiretls", [True, False])
def test_a_notice_about_mail_with_requiretls(requiretls: bool, redacts: bool) -> None:
    """Without the text it can go where REQUIRETLS cannot; with it, it must not (RFC 8689 §5)."""

    async def main() -> None:
        clock, site = VirtualClock(), replace(SITE, redacts=redacts)
        hands = Hands(MemorySpool(clock), site, Schedule(ScheduleTerms(), 0.0), Diary(), clock.wall_seconds)
        message = Message(
            "Q1", "a@x.example", 0.0, MemoryMessage(b"Subject: x\r\n\r\nsecret text\r\n"), requiretls=requiretls
        )
        (plan,) = plan_notices(Kind.FAILURE, message, [REPORT], site)
        _, notice = Desk(hands, lambda docket: None)._make(plan, message)
        assert notice.submission.envelope.requiretls is (requiretls and not redacts)
        assert isinstance(notice.content, bytes)
        assert (b"secret text" in notice.content) is not (requiretls and redacts)

    run(main())
