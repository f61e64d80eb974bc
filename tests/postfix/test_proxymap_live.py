"""`proxy:` tables through a real proxymap(8): what every table promises, and what an agent does where it is not served."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.postfix.instance import Postfix, agent_line, why_not
from tests.postfix.receiver import Receiver
from tests.tables.components import PAIRS
from tests.tables.test_contract import (
    Kind,
    test_a_key_without_end_is_no_crash,
    test_an_odd_key_is_a_miss_and_does_no_harm,
    test_case_does_not_count,
    test_it_can_be_listed_or_cannot,
    test_it_tells_whether_it_takes_parts_of_keys,
    test_values_are_found,
    test_what_is_not_there_is_a_miss,
)

from mailrider.errors import WrongConfiguration
from mailrider.tables.proxymap import Proxymap
from mailrider.tables.source import Surroundings
from mailrider.tables.table import Table, close_table

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is one")

PATIENT_SECONDS = 60.0

CONTRACT = (
    test_a_key_without_end_is_no_crash, test_an_odd_key_is_a_miss_and_does_no_harm, test_case_does_not_count,
    test_it_can_be_listed_or_cannot, test_it_tells_whether_it_takes_parts_of_keys, test_values_are_found,
    test_what_is_not_there_is_a_miss,
)  # fmt: skip
"""Collected here as well, with the tables below."""

KINDS = {
    "texthash": Kind(lambda folder, request: f"texthash:{folder}/pairs"),
    "hash": Kind(lambda folder, request: f"hash:{folder}/pairs"),
    "regexp": Kind(lambda folder, request: f"regexp:{folder}/patterns", is_pattern=True),
    "unionmap": Kind(lambda folder, request: f"unionmap:{{texthash:{folder}/pairs,inline:{{other=x}}}}"),
}


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    with Receiver() as receiver:
        names = ", ".join([f"proxy:{kind.make(Path('$config_directory'), None)}" for kind in KINDS.values()])  # type: ignore[arg-type]
        postfix = Postfix({"first.test": f"smtp:{receiver.hop}"}, settings={"proxy_read_maps": names})
        (postfix.etc / "pairs").write_text("".join([f"{key}\t{value}\n" for key, value in PAIRS.items()]))
        (postfix.etc / "patterns").write_text("".join([f"/^{key}$/ {value}\n" for key, value in PAIRS.items()]))
        postfix.run("postmap", f"hash:{postfix.etc}/pairs")
        for path in postfix.etc.iterdir():
            os.utime(path, (1.6e9, 1.6e9))
        with postfix:
            yield postfix


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def table(postfix: Postfix, kind: Kind, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    monkeypatch.chdir(postfix.spool)
    proxymap = Proxymap("private/proxymap")
    table = proxymap.open_table(kind.make(postfix.etc, request), Surroundings(pytest.fail, time_limit_seconds=PATIENT_SECONDS))
    yield table
    close_table(table)


def test_what_is_not_listed_is_refused(postfix: Postfix, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(postfix.spool)
    proxymap = Proxymap("private/proxymap")
    for name in (f"texthash:{postfix.etc}/main.cf", "texthash:/etc/passwd", "inline:{key=value}"):
        with pytest.raises(WrongConfiguration, match="list it in proxy_read_maps"):
            proxymap.open_table(name, Surroundings(pytest.fail, time_limit_seconds=PATIENT_SECONDS))
        postfix.wait_for_log(f'request for unapproved table: "{name}"')


GENERIC = "inside.test outside.test\n@inside.test writer@outside.test\n"


def a_site(receiver: Receiver, settings: dict[str, str], services: list[str] | None = None) -> Postfix:
    """A Postfix whose agent rewrites senders."""
    parameters = {"smtp_generic_maps": "proxy:texthash:$config_directory/generic", **settings}
    postfix = Postfix({"rewritten.test": f"smtp:{receiver.hop}"}, services, parameters)
    (postfix.etc / "generic").write_text(GENERIC)
    os.utime(postfix.etc / "generic", (1.6e9, 1.6e9))
    return postfix


def sender_of(line: str) -> str:
    return line.partition("<")[2].partition(">")[0]


def test_an_agent_asks_proxymap() -> None:
    with Receiver() as receiver, a_site(receiver, {}) as postfix:
        (postfix.etc / "generic").chmod(0o644)
        postfix.submit(["to@rewritten.test"], sender="me@inside.test")
        assert postfix.wait_for_results(1) == [("to@rewritten.test", "sent", "2.0.0")]
        assert receiver.taken[0].sender == "writer@outside.test"
        assert postfix.processes("proxymap")


@pytest.mark.parameter("daemon_table_open_error_is_fatal")
def test_a_table_that_is_not_served_defers_what_needs_it_and_says_how_to_serve_it() -> None:
    with Receiver() as receiver, a_site(receiver, {"proxy_read_maps": ""}) as postfix:
        postfix.submit(["to@rewritten.test"], sender="me@inside.test")
        ((_, status, code),) = postfix.wait_for_results(1)
        assert (status, code) == ("deferred", "4.3.0")
        title = f"proxy:texthash:{postfix.etc}/generic"
        reason = f"{title}: proxymap(8) is not configured for this table: list it in proxy_read_maps"
        assert f"error: {reason}" in postfix.log_text()
        assert f"{title} is unavailable. {reason}" in postfix.log_text()
        assert not receiver.taken


@pytest.mark.parameter("daemon_table_open_error_is_fatal")
def test_or_the_agent_does_not_start() -> None:
    settings = {"smtp_generic_maps": "texthash:/no/such/file", "daemon_table_open_error_is_fatal": "yes"}
    with Receiver() as receiver, a_site(receiver, settings) as postfix:
        postfix.submit(["to@rewritten.test"], sender="me@inside.test")
        postfix.wait_for_log("bad command startup -- throttling")
        assert "fatal: smtp_generic_maps: texthash:/no/such/file: cannot read" in postfix.log_text()


def is_empty_or_flushed(postfix: Postfix) -> bool:
    """Whether the queue is empty; else it is tried once more.  (A queue manager that is just leaving does not hear it.)"""
    if not postfix.queue_ids("maildrop", "incoming", "active", "deferred"):
        return True
    postfix.run("postqueue", "-f")
    return False


def test_without_the_service_mail_waits_until_it_is_there() -> None:
    with Receiver() as receiver:
        postfix = a_site(receiver, {})
        master = postfix.etc / "master.cf"
        whole = master.read_text()
        master.write_text(whole.replace("proxymap  unix - - n - - proxymap\n", ""))
        with postfix:
            postfix.submit(["to@rewritten.test"], sender="me@inside.test")
            ((_, status, code),) = postfix.wait_for_results(1)
            assert (status, code) == ("deferred", "4.3.0")
            reason = "unix:private/proxymap: No such file or directory; lookups fail until proxymap(8) answers"
            assert postfix.log_text().count(reason) == 1
            master.write_text(whole)
            postfix.run("postfix", "reload")
            postfix.wait_for(lambda: is_empty_or_flushed(postfix), "the queue to be empty")
            assert receiver.taken[0].sender == "writer@outside.test"


def test_behind_a_chroot_too() -> None:
    line = agent_line().replace(" - - n - 1 ", " - - y - 1 ")
    assert line != agent_line()
    with Receiver() as receiver, a_site(receiver, {}, [line]) as postfix:
        postfix.submit(["to@rewritten.test"], sender="me@inside.test")
        assert postfix.wait_for_results(1) == [("to@rewritten.test", "sent", "2.0.0")]
        assert receiver.taken[0].sender == "writer@outside.test"
