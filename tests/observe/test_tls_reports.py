"""The journal of TLS sessions, and what a collector hears."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from mailrider.events import Event, TlsJudged, Warned
from mailrider.model.server import Family, Server
from mailrider.observe import tls_reports
from mailrider.observe.tls_reports import Collector, Journal, list_days, make_datagram, read_day
from mailrider.wiring import add_reports
from parameters.scenes import settings_of

NOON = 1_700_000_000.0  # 2023-11-14
DAY = 86400.0
SERVER = Server("mx.dest.test", "192.0.2.1", 25, Family.IPV4)


def judged(result: str = "", seconds: float = NOON) -> TlsJudged:
    return TlsJudged(
        seconds, "dest.test", "v=TLSRPTv1; rua=mailto:a@b", "sts", "dest.test", ("version: STSv1",), ("*.dest.test",), SERVER,
        result, "why", "192.0.2.9",
    )  # fmt: skip


def test_a_day_is_a_file_and_a_session_is_a_line(tmp_path: Path) -> None:
    warnings: list[str] = []
    journal = Journal(str(tmp_path / "reports"), warnings.append)
    journal.write(judged())
    journal.write(judged("validation-failure"))
    Journal(str(tmp_path / "reports"), warnings.append).write(judged(seconds=NOON + DAY))
    assert list_days(tmp_path / "reports") == ["2023-11-14", "2023-11-15"]
    found = list(read_day(tmp_path / "reports", "2023-11-14"))
    assert [each["result"] for each in found] == ["", "validation-failure"]
    assert found[0]["policy"]["mx-host"] == ["*.dest.test"]
    assert not warnings


def test_old_days_go(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path), lambda text: None)
    for name in ("2023-11-14.a.test.sent", "2023-12-23.a.test.sent", "notes.txt"):
        (tmp_path / name).touch()
    for day in (0, 1, 40):
        journal.write(judged(seconds=NOON + day * DAY))
    assert list_days(tmp_path) == ["2023-12-24"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2023-12-23.a.test.sent", "2023-12-24.jsonl", "notes.txt"]


def test_a_day_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_reports, "DAY_LIMIT_OCTETS", 1000)
    journal = Journal(str(tmp_path), lambda text: None)
    for _ in range(100):
        journal.write(judged())
    assert 0 < (tmp_path / "2023-11-14.jsonl").stat().st_size <= 1000


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    warnings: list[str] = []
    journal = Journal(str(tmp_path / "file" / "x"), warnings.append)
    journal.write(judged())
    journal.write(judged())
    assert len(warnings) == 1


def test_lines_that_make_no_sense_are_passed_over(tmp_path: Path) -> None:
    good = b'{"domain": "a.test", "policy": {}}\n'
    (tmp_path / "2023-11-14.jsonl").write_bytes(
        b"\xff\n[]\n{}\n" + b"[" * 5000 + b'\n{"domain": "../../x", "policy": {}}\n{"domain": 1, "policy": {}}\n' + good
    )
    assert [each["domain"] for each in read_day(tmp_path, "2023-11-14")] == ["a.test"]


def test_a_datagram_is_what_libtlsrpt_sends() -> None:
    assert json.loads(make_datagram(judged("certificate-expired"))) == {
        "dpv": "1", "d": "dest.test", "pr": "v=TLSRPTv1; rua=mailto:a@b",
        "policies": [{
            "policy-type": 2, "policy-domain": "dest.test", "policy-string": ["version: STSv1"], "mx-host": ["*.dest.test"],
            "failure-details": [{"c": 204, "s": "192.0.2.9", "n": "mx.dest.test", "r": "192.0.2.1", "a": "why"}],
            "t": 1, "f": 1,
        }],
    }  # fmt: skip
    success = json.loads(make_datagram(judged()))["policies"][0]
    assert (success["t"], success["f"], "failure-details" in success) == (0, 0, False)


def test_a_collector_that_is_not_there_is_said_once(tmp_path: Path) -> None:
    warnings: list[str] = []
    collector = Collector(str(tmp_path / "nobody"), warnings.append)
    collector.send(judged())
    collector.send(judged())
    assert len(warnings) == 1
    assert "No such file" in warnings[0]


@pytest.mark.parameter("smtp_tlsrpt_enable", "smtp_tlsrpt_socket_name")
def test_a_collector_hears_of_every_session(tmp_path: Path) -> None:
    events: list[Event] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "rpt"))
        settings = settings_of(smtp_tlsrpt_enable=True, smtp_tlsrpt_socket_name="rpt", queue_directory=tmp_path)
        observe = add_reports(events.append, settings)
        observe(judged())
        observe(Warned("x"))
        assert json.loads(listener.recv(65536))["d"] == "dest.test"
    assert events == [Warned("x")]


def test_a_socket_without_a_name_is_warned_of() -> None:
    events: list[Event] = []
    add_reports(events.append, settings_of(smtp_tlsrpt_enable=True))
    assert isinstance(events[0], Warned)
    assert "smtp_tlsrpt_socket_name has empty value" in events[0].text


def test_nothing_stands_between_where_nothing_is_wanted() -> None:
    events: list[Event] = []
    observer = events.append
    assert add_reports(observer, settings_of()) is observer
