"""A running node and its TLS reports."""

from __future__ import annotations

import datetime
import email
import json
import signal
from pathlib import Path

import pytest

from cli.peer_thread import PATIENCE_SECONDS, PeerThread
from mailrider.testkit.peers import ScriptedServer
from node.test_serve import Site


@pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["alone", "two"])
def test_a_node_sends_what_it_owes_and_the_next_one_does_not_send_it_again(tmp_path: Path, workers: tuple[str, ...]) -> None:
    day = (datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=3)).isoformat()  # due at any time of today
    session = {
        "domain": "a.test", "record": "v=TLSRPTv1; rua=mailto:tls@a.test", "server": "mx.a.test", "address": "192.0.2.1",
        "policy": {"policy-type": "no-policy-found", "policy-domain": "a.test"}, "result": "", "detail": "",
    }  # fmt: skip
    reports = tmp_path / "reports"
    reports.mkdir()
    (reports / f"{day}.jsonl").write_text(json.dumps(session) + "\n")
    (reports / f"{day}.jsonl").chmod(0o644)
    with PeerThread(ScriptedServer()) as peer:
        settings = f"relayhost = {peer.nexthop}\ntls_report_directory = {reports}\ntls_report_send = yes\n"
        site = Site(tmp_path, settings + "tls_report_contact = tls@here.example\n")
        with site.serve(*workers) as node:
            log = site.wait_for(": removed")
            node.send_signal(signal.SIGTERM)
            assert node.wait(PATIENCE_SECONDS) == 0
        assert f": TLS report of {day} to a.test" in log
        assert "without the DKIM signature" in log
        with site.serve(*workers) as node:
            node.send_signal(signal.SIGTERM)
            assert node.wait(PATIENCE_SECONDS) == 0
    (message,) = peer.server.messages
    mail = email.message_from_bytes(message.content)
    assert mail["From"] == "tls@here.example"
    assert mail["TLS-Report-Domain"] == "a.test"
    assert (reports / f"{day}.a.test.sent").exists()
    assert not (reports / f"{day}.a.test.offered").exists()
