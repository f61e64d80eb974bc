"""A node's own reports: once, whatever happens, and in time."""

from __future__ import annotations

import asyncio
import datetime
import email
import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from mailrider.cli import tlsrpt_rounds
from mailrider.cli.tlsrpt_rounds import (
    DAYS_OWED,
    PATIENCE_SECONDS,
    ROUND_SECONDS,
    SETTLING_SECONDS,
    SPREAD_SECONDS,
    ReportRounds,
    find_due_seconds,
)
from mailrider.observe.tls_report_marks import Marks, Offer
from mailrider.settings import HostFacts, Settings, load_settings
from mailrider.spool.memory import MemorySpool
from mailrider.spool.spool import NotAccepted, Selection, StoredMessage, Unaccepted
from virtual_time import run

DAY = "2026-03-01"
MIDNIGHT = datetime.datetime(2026, 3, 2, tzinfo=datetime.UTC).timestamp()
LATER = MIDNIGHT + SETTLING_SECONDS + SPREAD_SECONDS
BY_MAIL = "v=TLSRPTv1; rua=mailto:tls@a.test"
SESSION = {
    "domain": "a.test", "record": BY_MAIL, "server": "mx.a.test", "address": "192.0.2.1", "sending": "192.0.2.9",
    "policy": {"policy-type": "no-policy-found", "policy-domain": "a.test"}, "result": "starttls-not-supported", "detail": "",
}  # fmt: skip


class Clock:
    def __init__(self, seconds: float = LATER) -> None:
        self.seconds = seconds

    def wall_seconds(self) -> float:
        return self.seconds

    def monotonic_seconds(self) -> float:
        return self.seconds


class Crash(BaseException):
    """The process ends here."""


class Node:
    """A spool and its reporter; `restart` is another process on the same folder and spool."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch | None = None, **settings: object) -> None:
        self.folder = folder
        self.clock = Clock()
        self.spool = MemorySpool(self.clock)
        self.told: list[str] = []
        self.warned: list[str] = []
        self.posted: list[tuple[str, str]] = []
        self.answers: dict[str, str] = {}
        given = {
            "tls_report_directory": folder, "tls_report_send": "yes", "tls_report_contact": "tls@us.test",
            "myhostname": "mx.us.test",
        } | settings  # fmt: skip
        words = [f"{name}={value}" for name, value in given.items()]
        self.settings: Settings = load_settings(None, words, host=HostFacts("me"))
        if monkeypatch is not None:
            monkeypatch.setattr(tlsrpt_rounds, "post", self.post)
        self.restart()

    async def post(self, settings: Settings, report: Any, address: str) -> str:
        self.posted.append((report.domain, address))
        return self.answers.get(address, "")

    def restart(self) -> None:
        self.rounds = ReportRounds(
            self.settings, self.spool, self.told.append, self.warned.append, self.clock.wall_seconds
        )

    def keep(self, *sessions: dict[str, Any], day: str = DAY) -> None:
        (self.folder / f"{day}.jsonl").write_text("".join(json.dumps(SESSION | each) + "\n" for each in sessions or ({},)))

    async def go(self, seconds: float = 0.0) -> None:
        self.clock.seconds += seconds
        await self.rounds.go_round()

    async def mails(self) -> list[StoredMessage]:
        return list(await self.spool.list(Selection(everything=True)))

    async def text(self) -> bytes:
        (mail,) = await self.mails()
        content = await self.spool.content(mail.queue_id)
        assert content is not None
        return b"".join(content.chunks())


@pytest.fixture(autouse=True)
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(work: Any, *arguments: Any) -> Any:
        return work(*arguments)

    monkeypatch.setattr(asyncio, "to_thread", at_once)


@pytest.mark.parameter("tls_report_send")
@pytest.mark.parametrize("wanted", ["yes", "no"])
def test_a_node_sends_the_report_of_yesterday_by_itself(tmp_path: Path, wanted: str) -> None:
    async def main() -> None:
        node = Node(tmp_path, tls_report_send=wanted)
        node.keep()
        async with node.spool:
            await node.go()
            await node.go(ROUND_SECONDS)
            if wanted == "no":
                assert await node.mails() == []
                return
            (stored,) = await node.mails()
            assert stored.envelope.sender == "tls@us.test"
            assert [each.recipient.address for each in stored.recipients] == ["tls@a.test"]
            assert not stored.on_hold
            mail = email.message_from_bytes(await node.text())
            assert mail["TLS-Report-Domain"] == "a.test"
            assert node.told == [f"{stored.queue_id}: TLS report of {DAY} to a.test"]

    run(main())


def test_not_before_its_time_and_not_of_today(tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        node.keep()
        node.keep(day="2026-03-02")
        async with node.spool:
            due = find_due_seconds(DAY, "a.test", "mx.us.test")
            node.clock.seconds = due - 1
            await node.go()
            assert await node.mails() == []
            await node.go(2)
            assert len(await node.mails()) == 1

    run(main())


def test_hosts_and_destinations_have_their_own_time_in_the_morning() -> None:
    times = [find_due_seconds(DAY, f"{number}.test", "mx.us.test") - MIDNIGHT for number in range(200)]
    assert min(times) >= SETTLING_SECONDS
    assert max(times) < SETTLING_SECONDS + SPREAD_SECONDS
    assert max(times) - min(times) > SPREAD_SECONDS / 2
    assert find_due_seconds(DAY, "1.test", "one") != find_due_seconds(DAY, "1.test", "two")
    assert find_due_seconds("2026-03-02", "1.test", "one") == find_due_seconds(DAY, "1.test", "one") + 86400


def test_a_day_that_is_long_past_is_not_sent(tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        node.keep()
        (tmp_path / "2026-02-30.jsonl").write_text("{}\n")
        async with node.spool:
            await node.go((DAYS_OWED + 1) * 86400)
            assert await node.mails() == []
            await node.go(-2 * 86400)
            assert len(await node.mails()) == 1

    run(main())


@pytest.mark.parametrize(
    "moment", ["before the offer", "before the spool", "in the spool", "before the mark", "before the release", "at the end"]
)
def test_whenever_it_ends_the_report_goes_once(tmp_path: Path, moment: str) -> None:
    """The process dies at each of its steps; the next one sends what is missing, and nothing twice."""

    async def main() -> None:
        node = Node(tmp_path)
        node.keep()
        steps = {
            "before the offer": (Marks, "write_offer"), "before the mark": (Marks, "mark_sent"),
            "at the end": (Marks, "clear_offer"), "before the spool": (type(node.spool), "accept"),
            "before the release": (type(node.spool), "administer"),
        }  # fmt: skip

        async def die(*arguments: Any, **others: Any) -> Any:
            raise Crash

        def die_at_once(*arguments: Any) -> None:
            raise Crash

        async with node.spool:
            accept = node.spool.accept

            async def accept_and_die(*arguments: Any) -> Any:
                await accept(*arguments)
                raise Crash

            with pytest.MonkeyPatch.context() as patch:
                if moment == "in the spool":
                    patch.setattr(node.spool, "accept", accept_and_die)
                else:
                    owner, name = steps[moment]
                    patch.setattr(owner, name, die_at_once if owner is Marks else die)
                with pytest.raises(Crash):
                    await node.go()
            held = [mail for mail in await node.mails() if mail.on_hold]
            assert bool(held) is (moment in ("in the spool", "before the mark", "before the release"))
            node.restart()
            await node.go(ROUND_SECONDS)
            await node.go(ROUND_SECONDS)
            (mail,) = await node.mails()
            assert not mail.on_hold
            assert Marks(tmp_path).is_sent(DAY, "a.test")
            assert Marks(tmp_path).read_offer(DAY, "a.test") is None

    run(main())


def test_by_https(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        node = Node(tmp_path, monkeypatch)
        node.keep({"record": "v=TLSRPTv1; rua=https://a.test/x,mailto:tls@a.test"})
        async with node.spool:
            await node.go()
            await node.go(ROUND_SECONDS)
            assert await node.mails() == []  # the first one that takes it is enough
        assert node.posted == [("a.test", "https://a.test/x")]

    run(main())


def test_what_one_address_does_not_take_goes_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        node = Node(tmp_path, monkeypatch)
        node.answers = {"https://a.test/x": "status 500"}
        node.keep({"record": "v=TLSRPTv1; rua=https://a.test/x,mailto:tls@a.test"})
        async with node.spool:
            await node.go()
            assert len(await node.mails()) == 1

    run(main())


def test_it_is_tried_for_a_day_with_growing_pauses_also_over_restarts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        node = Node(tmp_path, monkeypatch)
        node.answers = {"https://a.test/x": "status 500\r\nforged"}
        node.keep({"record": "v=TLSRPTv1; rua=https://a.test/x"})
        times = []
        async with node.spool:
            for _ in range(int(2 * PATIENCE_SECONDS / ROUND_SECONDS)):
                before = len(node.posted)
                await node.go(ROUND_SECONDS)
                if len(node.posted) > before:
                    times.append(node.clock.seconds)
                node.restart()
        pauses = [second - first for first, second in itertools.pairwise(times)]
        assert pauses == sorted(pauses)
        assert PATIENCE_SECONDS <= times[-1] - times[0] < PATIENCE_SECONDS + 5 * 3600
        assert len(times) < 15
        assert node.warned[-1] == f"TLS report of {DAY} to a.test is given up: status 500??forged"
        assert Marks(tmp_path).is_sent(DAY, "a.test")

    run(main())


def test_a_spool_that_is_full_is_tried_again(tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        node.keep()

        async def refuse(*arguments: Any) -> NotAccepted:
            return NotAccepted(Unaccepted.FULL, "insufficient system storage")

        async with node.spool:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(node.spool, "accept", refuse)
                await node.go()
            assert any("insufficient system storage; trying again" in text for text in node.warned)
            await node.go(ROUND_SECONDS)
            assert len(await node.mails()) == 1

    run(main())


def test_nothing_is_sent_while_somebody_else_sends(tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        node.keep()
        async with node.spool:
            with Marks(tmp_path).hold():
                await node.go()
                assert await node.mails() == []
            await node.go()
            assert len(await node.mails()) == 1

    run(main())


def test_what_others_have_sent_or_nobody_wants(tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        node.keep({}, {"domain": "b.test", "record": "v=TLSRPTv1; rua=ftp://b.test"}, {"domain": "c.test"})
        Marks(tmp_path).mark_sent(DAY, "a.test", "by hand")
        Marks(tmp_path).write_offer(DAY, "c.test", Offer(LATER, 1, LATER + 5000, ""))
        async with node.spool:
            await node.go()
            assert await node.mails() == []
            assert any("b.test: not sent: no address" in text for text in node.told)
            await node.go(6000)
            assert len(await node.mails()) == 1

    run(main())


def test_a_missing_key_and_one_that_makes_no_sense(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "journal").mkdir()
        node = Node(tmp_path / "journal")
        node.keep({}, {"domain": "b.test"})
        async with node.spool:
            await node.go()
            assert len(await node.mails()) == 2
        assert [text for text in node.warned if "without the DKIM signature" in text] == node.warned
        assert len(node.warned) == 1

    run(main())


@pytest.mark.parameter("tls_report_dkim_domain", "tls_report_dkim_selector", "tls_report_dkim_key_file")
@pytest.mark.parametrize(("domain", "shown"), [("", "us.test"), ("reports.us.test", "reports.us.test")])
def test_mail_is_signed(tmp_path: Path, domain: str, shown: str) -> None:
    pytest.importorskip("dkim", reason="dkimpy is not installed: pip install mailrider[dkim]")
    from dsn.test_signature import PEM

    async def main() -> None:
        (tmp_path / "journal").mkdir()
        (tmp_path / "key.pem").write_bytes(PEM)
        keys = {"tls_report_dkim_selector": "tls", "tls_report_dkim_key_file": tmp_path / "key.pem"}
        node = Node(tmp_path / "journal", tls_report_dkim_domain=domain, **keys)
        node.keep()
        async with node.spool:
            await node.go()
            signature = " ".join(email.message_from_bytes(await node.text())["DKIM-Signature"].split())
            assert f"d={shown};" in signature
            assert "s=tls;" in signature
        assert node.warned == []
        missing = Node(tmp_path / "journal", **(keys | {"tls_report_dkim_key_file": tmp_path / "no"}))
        missing.keep(day="2026-02-28")
        async with missing.spool:
            await missing.go()
            assert await missing.mails() == []
        assert missing.warned == [
            f"TLS report of 2026-02-28 to a.test: tls_report_dkim_key_file = {tmp_path}/no: No such file or directory;"
            " trying again"
        ]

    run(main())


def test_it_goes_round_until_it_is_closed(tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        async with node.spool:
            node.rounds.start()
            await asyncio.sleep(ROUND_SECONDS / 2)
            node.keep()
            assert await node.mails() == []
            await asyncio.sleep(ROUND_SECONDS)
            assert len(await node.mails()) == 1
            node.rounds.reload(node.settings)
            await asyncio.sleep(ROUND_SECONDS)
            assert len(await node.mails()) == 1
            await node.rounds.close()

    run(main())


def test_a_fault_of_ours_does_not_end_the_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> Any:
        raise ZeroDivisionError

    async def main() -> None:
        node = Node(tmp_path)
        node.keep()
        async with node.spool:
            with monkeypatch.context() as patch:
                patch.setattr(tlsrpt_rounds, "make_day", fail)
                await node.go()
                await node.go()
            await node.go()
            assert len(await node.mails()) == 1
        assert node.warned[0] == "TLS reports: ZeroDivisionError()"

    run(main())


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        node.keep()

        def fail(marks: Marks) -> Any:
            raise PermissionError(13, "Permission denied")

        async with node.spool:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Marks, "hold", fail)
                await node.go()
                await node.go()
        assert node.warned == ["TLS reports: Permission denied"]

    run(main())
