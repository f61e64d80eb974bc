"""`mailrider queue`: lists, single messages, explanations and orders."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from mailrider.cli.main import main
from mailrider.model.outcome import Outcome, Status
from mailrider.model.request import Envelope, Notify, Recipient
from mailrider.spool.opening import open_spool
from mailrider.spool.spool import Accepted, InDoubt, Settlement, Spool, Submission

REFUSED = Outcome(Status.DEFERRED, "4.4.1", "connect to mx.b.example[192.0.2.1]:25: Connection refused\x1b[2J", "none")


class Queue:
    """A queue with three messages: one new, one deferred, one on hold."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder = folder
        self._capsys = capsys
        self.ids: list[str] = []
        (folder / "main.cf").write_text(
            f"queue_directory = {folder}/queue\nmyhostname = host.example\ndelay_warning_time = 4h\n"
        )

    def fill(self) -> None:
        async def go() -> None:
            async with open_spool(f"{self._folder}/queue") as spool:
                await self._fill(spool)

        asyncio.run(go())

    async def _fill(self, spool: Spool) -> None:
        now = time.time()
        for given in (
            Submission(Envelope("a@example.com", (Recipient("b@b.example"), Recipient("c d@c.example")))),
            Submission(Envelope("", (Recipient("x@c.example", notify=Notify.FAILURE),), envid="e\x01"), on_hold=True),
            Submission(
                Envelope("a@example.com", (Recipient("late@d.example"), Recipient("doubt@d.example")), smtputf8=True),
                arrival_seconds=now - 7200,
                client={"NAME": "h.example"},
            ),
        ):
            accepted = await spool.accept(given, b"Subject: x\r\n\r\nHello\r\n")
            assert isinstance(accepted, Accepted)
            self.ids.append(accepted.queue_id)
        for lease in await spool.lease():
            if lease.message.queue_id == self.ids[2]:
                doubt = InDoubt("mx.d.example[192.0.2.2]:25", now)
                await spool.defer(lease, [0], REFUSED, now + 1000)
                await spool.defer(lease, [1], REFUSED, now + 2000, in_doubt=doubt)

    def run(self, *arguments: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["queue", *arguments, "-c", str(self._folder)])
        said = self._capsys.readouterr()
        return ended.value.code, said.out, said.err

    def run_json(self, *arguments: str) -> list[dict[str, Any]]:
        code, out, _ = self.run(*arguments, "--json")
        assert code == 0
        return [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def queue(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Queue:
    queue = Queue(tmp_path, capsys)
    queue.fill()
    return queue


def test_a_list(queue: Queue) -> None:
    code, out, _ = queue.run("list")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------"
    assert lines[1].startswith(f"{queue.ids[0]}        21 ")
    assert lines[2].strip() == "b@b.example"
    assert lines[3].strip() == '"c d"@c.example'
    assert f"{queue.ids[1]}!" in out
    assert "MAILER-DAEMON" in out
    assert "(connect to mx.b.example[192.0.2.1]:25: Connection refused?[2J)" in out
    assert out.count("Connection refused") == 1, "a reason that is the same is said once"
    assert lines[-1] == "-- 0 Kbytes in 3 Requests."


def test_a_list_as_json(queue: Queue) -> None:
    told = queue.run_json("list")
    assert [one["queue_id"] for one in told] == queue.ids
    assert [one["queue_name"] for one in told] == ["incoming", "hold", "deferred"]
    assert told[0]["recipients"] == [{"address": "b@b.example"}, {"address": '"c d"@c.example'}]
    assert told[2]["recipients"][0]["delay_reason"].startswith("connect to mx.b.example")
    assert set(told[0]) >= {"arrival_time", "message_size", "forced_expire", "sender"}


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        (["--domain", "C.example"], [0, 1]),
        (["--sender", ""], [1]),
        (["--sender", "<>"], [1]),
        (["--sender", "Mailer-Daemon"], [1]),
        (["--sender", "<A@example.com>", "--domain", "d.example"], [2]),
        (["--sender", "a@example.com", "--domain", "d.example"], [2]),
        (["--recipient", "b@b.example"], [0]),
        (["--reason", "connection REFUSED"], [2]),
        (["--reason", "4.4.1"], [2]),
        (["--older", "90m"], [2]),
        (["--older", "0"], [0, 1, 2]),
        (["--older", "1h", "--recipient", "b@b.example"], []),
    ],
)
def test_a_list_of_some(queue: Queue, choice: list[str], found: list[int]) -> None:
    assert [queue.ids.index(one["queue_id"]) for one in queue.run_json("list", *choice)] == found


def test_one_message(queue: Queue) -> None:
    code, out, _ = queue.run("show", queue.ids[1], queue.ids[2], "--content")
    assert code == 0
    for text in ("(on hold)", "<> (nobody)", "envid=e?", "notify: failure", "smtputf8", "NAME=h.example", "Hello\n"):
        assert text in out
    (told,) = queue.run_json("show", queue.ids[1], "--content")
    assert told["content"].endswith("Hello\r\n")
    assert told["recipients"][0]["not_before"] is None


def test_what_is_not_there(queue: Queue) -> None:
    code, out, err = queue.run("show", "NOQUEUE", queue.ids[0])
    assert code == 69
    assert "no message NOQUEUE" in err
    assert queue.ids[0] in out


def test_a_list_of_what_is_not_there(queue: Queue) -> None:
    assert queue.run("list", "NOQUEUE") == (69, "", "mailrider queue: no message NOQUEUE in the queue\n")
    code, out, err = queue.run("list", "NOQUEUE", queue.ids[0], "--json")
    assert (code, json.loads(out)["queue_id"], err) == (69, queue.ids[0], "mailrider queue: no message NOQUEUE in the queue\n")
    assert queue.run("list", "--domain", "z.example") == (0, "no message in the queue fits\n", "")
    code, out, err = queue.run("list", "--domain", "z.example", queue.ids[0])
    assert (code, out, err) == (69, "", f"mailrider queue: no message {queue.ids[0]} in the queue fits\n")


def test_an_empty_queue(queue: Queue) -> None:
    queue.run("delete", "--all")
    assert queue.run("list") == (0, "Mail queue is empty\n", "")
    assert queue.run("list", "--json") == (0, "", "")


def test_a_look_as_json(queue: Queue) -> None:
    (told,) = queue.run_json("top", "--once")
    assert (told["messages"], told["on_hold_messages"]) == (3, 1)
    queue.run("hold", "--all")
    (stats,) = queue.run_json("stats")
    assert {domain["next_due_seconds"] for domain in stats["domains"]} == {None}


@pytest.mark.parametrize("interval", ["nan", "inf", "0.1", "x"])
def test_an_interval_is_a_time(queue: Queue, interval: str) -> None:
    code, out, err = queue.run("top", "--interval", interval)
    assert (code, out) == (64, "")
    assert "--interval" in err
    assert "number of seconds" in err or "range" in err


def test_explanations(queue: Queue) -> None:
    new, held, late = (queue.run_json("explain", identity)[0] for identity in queue.ids)
    assert {one["state"] for one in new["recipients"]} == {"due"}
    assert held["recipients"][0]["state"] == "hold"
    assert held["delay_notice_at"] is None, "nobody warns the null sender"
    first, second = late["recipients"]
    assert (first["state"], first["attempts"]) == ("deferred", 1)
    assert first["latest"]["text"].endswith("Connection refused?[2J")
    assert first["next_attempt"] == first["future_attempts"][0]
    assert first["future_attempts"] == sorted(first["future_attempts"])
    assert first["future_attempts"][-1] >= late["expires"] > first["future_attempts"][-2]
    assert all(
        later - earlier >= 4000 for earlier, later in zip(first["future_attempts"], first["future_attempts"][1:], strict=False)
    ), "it is two hours old, so the pause is maximal_backoff_time"
    assert late["delay_notice_at"] == late["arrival"] + 4 * 3600
    assert second["possibly_delivered"]["server"] == "mx.d.example[192.0.2.2]:25"


def test_explanations_as_text(queue: Queue) -> None:
    code, out, _ = queue.run("explain", *queue.ids)
    assert code == 0
    for text in (
        "it has just come in",
        f"mailrider queue release {queue.ids[1]}",
        "Connection refused?[2J",
        "attempt 2 ",
        "possibly delivered to mx.d.example[192.0.2.2]:25",
        "the sender hears of the delay",
        "returned to the sender after",
    ):
        assert text in out


def test_a_notice_that_is_owed(queue: Queue) -> None:
    async def owe() -> None:
        async with open_spool(f"{queue._folder}/queue") as spool:
            for lease in await spool.lease():
                bounced = REFUSED._replace(status=Status.BOUNCED)
                await spool.settle(lease, [Settlement(one.number, bounced, owed=True) for one in lease.message.recipients])

    asyncio.run(owe())
    (told,) = queue.run_json("explain", queue.ids[0])
    assert {one["state"] for one in told["recipients"]} == {"settled"}
    assert "it is bounced" in told["recipients"][0]["why"]


def test_orders(queue: Queue) -> None:
    assert queue.run_json("hold", queue.ids[0]) == [{"order": "hold", "messages": 1, "missing": []}]
    assert queue.run_json("release", "--all")[0]["messages"] == 2
    assert queue.run_json("flush")[0]["messages"] == 3
    assert [one["queue_name"] for one in queue.run_json("list")] == ["incoming"] * 3
    assert queue.run_json("requeue", "--domain", "d.example")[0]["messages"] == 1
    (told,) = queue.run_json("show", queue.ids[2])
    assert [one["attempts"] for one in told["recipients"]] == [0, 0]
    code, out, err = queue.run("delete", queue.ids[0], "NOQUEUE")
    assert (code, out) == (69, "delete: 1 message\n")
    assert "NOQUEUE" in err
    assert queue.run_json("delete", "ALL")[0]["messages"] == 2
    assert queue.run("list")[1] == "Mail queue is empty\n"


@pytest.mark.parametrize("arguments", [["hold"], ["delete"], ["release"], ["requeue"], ["delete", "--all", "X"],
    ["delete", "--older", "soon"], ["hold", "--all", "--reason", "x"], ["hold", "--older", "-1s"]])
def test_an_order_needs_a_choice(queue: Queue, arguments: list[str]) -> None:
    assert queue.run(*arguments)[0] == 64
    assert len(queue.run_json("list")) == 3


def test_a_release_at_a_rate(queue: Queue) -> None:
    queue.run("hold", "--all")
    before = time.time()
    (told,) = queue.run_json("release", "--all", "--rate", "1/5min")
    assert (told["messages"], told["interval"], told["missing"]) == (3, 300, [])
    assert before <= told["first_due"] <= time.time()
    assert told["last_due"] == told["first_due"] + 600
    explained = [queue.run_json("explain", identity)[0]["recipients"] for identity in queue.ids]
    turns = [{one["next_attempt"] for one in recipients} for recipients in explained]
    first, second, third = told["first_due"], told["first_due"] + 300, told["first_due"] + 600
    assert turns == [{second}, {third}, {None}], "the oldest, which was deferred, is due"
    (shown,) = queue.run_json("show", queue.ids[2])
    assert {one["not_before"] for one in shown["recipients"]} == {first}
    assert "the first attempt " in queue.run("explain", queue.ids[0])[1]


def test_a_rate_in_words(queue: Queue) -> None:
    queue.run("hold", *queue.ids)
    code, out, err = queue.run("release", queue.ids[0], queue.ids[1], "NOQUEUE", "--rate", "2/h")
    assert (code, err) == (69, "mailrider queue: no message NOQUEUE in the queue\n")
    assert out.startswith("release: 2 messages, the last one due ")
    assert out.endswith("(in 30 min)\n")
    assert queue.run("release", queue.ids[0], "--rate", "2/h") == (0, "release: 0 messages\n", "")
    assert queue.run_json("release", queue.ids[0], "--rate", "2/h") == [
        {"order": "release", "messages": 0, "missing": [], "interval": 1800, "first_due": None, "last_due": None}
    ]


def test_a_flush_at_a_rate(queue: Queue) -> None:
    (told,) = queue.run_json("flush", "--all", "--rate", "1/s")
    assert (told["messages"], told["last_due"]) == (1, told["first_due"]), "the others are due, or on hold"
    code, out, err = queue.run("flush", "--rate", "1/s")
    assert (code, out) == (64, "")
    assert "--all" in err


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        ("", "nothing would ever go"), ("0", "nothing would ever go"), ("0/s", "nothing would ever go"),
        ("5", None), ("1/2d", "slower than one message a day"), ("1/0s", "such as 20/s"), ("fast", "or 1/5s"),
        ("1/fortnight", "such as 20/s"), ("-1/s", "such as 20/s"), ("1e9/s", "such as 20/s"),
    ],
)  # fmt: skip
def test_which_rates_are_rates(queue: Queue, rate: str, said: str | None) -> None:
    code, _, err = queue.run("release", "--all", "--rate", rate)
    assert (code, bool(err)) == ((0, False) if said is None else (64, True))
    assert (said or "") in err
    assert queue.run("hold", "--all", "--rate", "1/s")[0] == 64, "only what gives turns has a rate"


def test_counts(queue: Queue) -> None:
    (told,) = queue.run_json("stats")
    assert (told["messages"], told["recipients"], told["due"], told["deferred"]) == (3, 5, 2, 2)
    code, out, _ = queue.run("stats", "--limit", "1")
    assert code == 0
    assert "and 2 more domains" in out
    assert "on hold" in queue.run("stats")[1] or "now" in queue.run("stats")[1]
    code, out, _ = queue.run("stats", "--metrics", "--limit", "1")
    assert code == 0
    assert f"mailrider_queue_messages {told['messages']}" in out.splitlines()
    assert out.count("mailrider_queue_domain_recipients{") == 1
    assert queue.run("stats", "--metrics", "--json")[0] == 64


def test_there_is_no_queue(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    queue = Queue(tmp_path, capsys)
    code, _, err = queue.run("list")
    assert code == 75
    assert "there is no queue" in err
    assert not (tmp_path / "queue").exists(), "asking makes nothing"


def test_options_before_the_name_of_the_order(queue: Queue, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["queue", "-c", str(queue._folder), "list"], ["-c", str(queue._folder), "queue", "list"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        assert queue.ids[0] in capsys.readouterr().out
