"""The files of traces, and deliveries that fill them."""

from __future__ import annotations

from pathlib import Path

import pytest

from delivery.scene import Scene, at, statuses
from mailrider.delivery.tls_trace import FOLDER, RATE_SECONDS, Traces
from mailrider.events import Event, Noted, Warned
from mailrider.testkit.authority import make_root
from mailrider.testkit.peers import ScriptedServer
from mailrider.tls.trace import TRUNCATED
from virtual_time import run

ROOT = make_root()


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_700_000_000.25

    def __call__(self) -> float:
        return self.seconds


def deliver(folder: Path, times: int = 1, **settings: object) -> tuple[list[str], list[str]]:
    """The traces, and what the log says of them."""

    async def main() -> list[str]:
        async with ScriptedServer(tls=ROOT.issue("mx").server_context(folder)) as peer:
            options = {"smtp_tls_security_level": "may", "smtp_tls_loglevel": "trace", "queue_directory": folder} | settings
            async with Scene(**options) as scene:
                for _ in range(times):
                    assert statuses(await scene.deliver(at(peer))) == ["sent 2.0.0"]
                return [event.text for event in scene.told(Noted) if "trace" in event.text]

    noted = run(main())
    place = folder / FOLDER
    return [path.read_text() for path in sorted(place.iterdir())] if place.exists() else [], noted


@pytest.mark.parameter("smtp_tls_trace_size_limit")
def test_a_delivery_leaves_a_trace_of_so_many_octets(tmp_path: Path) -> None:
    (text,), (noted,) = deliver(tmp_path)
    assert "ClientHello" in text
    assert noted.startswith(f"TLS protocol trace for 127.0.0.1 saved to {tmp_path}/{FOLDER}/smtp-")
    (tmp_path / "short").mkdir()
    (text,), _ = deliver(tmp_path / "short", smtp_tls_trace_size_limit=100)
    assert len(text) == 100 + len(TRUNCATED)


def test_none_is_none(tmp_path: Path) -> None:
    assert deliver(tmp_path, smtp_tls_trace_size_limit=0) == ([], [])
    assert deliver(tmp_path, smtp_tls_loglevel="1") == ([], [])


def test_a_table_chooses_who_is_traced(tmp_path: Path) -> None:
    table = {"smtp_tls_loglevel": "0", "smtp_tls_loglevel_maps": "inline:{127.0.0=trace}"}
    assert len(deliver(tmp_path, **table)[0]) == 1


@pytest.mark.parameter("tls_trace_rate_limit")
@pytest.mark.parametrize(("limit", "traces"), [(1, 1), (2, 2), (0, 3), (-1, 3)])
def test_so_many_in_a_minute(tmp_path: Path, limit: int, traces: int) -> None:
    texts, noted = deliver(tmp_path, 3, tls_trace_rate_limit=limit)
    assert len(texts) == traces
    assert noted.count(f"skipping TLS trace output - rate limit ({limit}) exceeded") == 3 - traces


def test_a_minute_later_there_may_be_another(tmp_path: Path) -> None:
    clock, told = Clock(), list[Event]()
    traces = Traces(tmp_path / FOLDER, "smtp", 1000, 1, clock)

    first = traces.begin("192.0.2.1/../x", told.append)
    assert first is not None
    first.close()
    assert traces.begin("192.0.2.1", told.append) is None
    clock.seconds += RATE_SECONDS + 1
    second = traces.begin("2001:db8::1", told.append)
    assert second is not None
    second.close()
    names = sorted(path.name for path in (tmp_path / FOLDER).iterdir())
    assert names[0].startswith("smtp-20231114221320.250000-192.0.2.1_.._x-")
    assert names[1].startswith("smtp-20231114221421.250000-2001:db8::1-")


def test_where_nothing_can_be_written_the_mail_goes_all_the_same(tmp_path: Path) -> None:
    told: list[Event] = []
    assert Traces(tmp_path / "no" / FOLDER, "smtp", 1000, 1, Clock()).begin("192.0.2.1", told.append) is None
    (warned,) = told
    assert isinstance(warned, Warned)
    assert warned.text.startswith("TLS trace: cannot open a file in ")
    assert deliver(tmp_path, queue_directory=tmp_path / "no")[0] == []
