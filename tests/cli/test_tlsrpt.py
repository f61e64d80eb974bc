"""`mailrider tlsrpt`: print, write, send once."""

from __future__ import annotations

import email
import gzip
import http.server
import json
import threading
from pathlib import Path
from typing import Self

import pytest

from cli.peer_thread import PeerThread
from mailrider.cli.main import main
from mailrider.testkit.authority import make_root
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule

DAY = "2026-03-01"
SESSION = {
    "domain": "a.test", "record": "v=TLSRPTv1; rua=mailto:tls@a.test", "server": "mx.a.test", "address": "192.0.2.1",
    "policy": {"policy-type": "no-policy-found", "policy-domain": "a.test"}, "result": "starttls-not-supported", "detail": "",
}  # fmt: skip


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    folder = tmp_path / "journal"
    folder.mkdir()
    (folder / f"{DAY}.jsonl").write_text(json.dumps(SESSION) + "\n" + json.dumps(SESSION | {"domain": "b.test"}) + "\n")
    return folder


def tlsrpt(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str) -> tuple[int, str, str]:
    options = ["-o", f"tls_report_directory={folder}", "-o", "myhostname=mx.us.test"]
    with pytest.raises(SystemExit) as end:
        main(["tlsrpt", *options, *arguments])
    said = capsys.readouterr()
    assert isinstance(end.value.code, int)
    return end.value.code, said.out, said.err


@pytest.mark.parameter("tls_report_organization", "tls_report_contact")
def test_reports_are_printed(capsys: pytest.CaptureFixture[str], journal: Path) -> None:
    more = ["-o", "tls_report_organization=We", "-o", "tls_report_contact=tls@us.test"]
    code, out, _ = tlsrpt(capsys, journal, "--day", DAY, "--domain", "A.test", *more)
    report = json.loads(out)
    assert code == 0
    assert report["organization-name"] == "We"
    assert report["contact-info"] == "tls@us.test"
    assert report["policies"][0]["summary"]["total-failure-session-count"] == 1


def test_reports_are_written(capsys: pytest.CaptureFixture[str], journal: Path, tmp_path: Path) -> None:
    code, out, _ = tlsrpt(capsys, journal, "--day", DAY, "--output", str(tmp_path / "out"))
    assert (code, out) == (0, "")
    written = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in written] == [f"mx.us.test!{name}.test!{DAY}!{DAY}.json.gz" for name in "ab"]
    assert json.loads(gzip.decompress(written[0].read_bytes()))["report-id"] == f"{DAY}.a.test@mx.us.test"
    (tmp_path / "file").write_text("")
    assert tlsrpt(capsys, journal, "--day", DAY, "--output", str(tmp_path / "file" / "out"))[0] == 73


def test_reports_are_sent_once(capsys: pytest.CaptureFixture[str], journal: Path) -> None:
    with PeerThread(ScriptedServer()) as peer:
        options = ("--day", DAY, "--domain", "a.test", "--send", "-o", f"relayhost={peer.nexthop}")
        assert tlsrpt(capsys, journal, *options)[0] == 0
        assert tlsrpt(capsys, journal, *options)[0] == 0
    (message,) = peer.server.messages
    mail = email.message_from_bytes(message.content)
    assert mail["To"] == "tls@a.test"
    assert mail["TLS-Report-Submitter"] == "mx.us.test"


def test_what_cannot_be_sent_is_tried_again(capsys: pytest.CaptureFixture[str], journal: Path) -> None:
    with PeerThread(ScriptedServer(Rule(match="^MAIL", nth=1, reply="451 later"))) as peer:
        options = ("--day", DAY, "--domain", "a.test", "--send", "-o", f"relayhost={peer.nexthop}")
        code, _, err = tlsrpt(capsys, journal, *options)
        assert code == 75
        assert "451 later" in err
        tlsrpt(capsys, journal, *options)


def test_what_makes_no_sense(capsys: pytest.CaptureFixture[str], journal: Path) -> None:
    assert tlsrpt(capsys, journal, "--day", "yesterday")[0] == 64
    assert tlsrpt(capsys, journal, "--day", "2026-02-30")[0] == 64
    assert tlsrpt(capsys, journal, "--day", "2026-02-01")[0] == 66
    assert tlsrpt(capsys, Path(""), "-o", "tls_report_directory=", "--day", DAY)[0] == 64


class HttpsThread:
    """An HTTPS server in a thread that answers every POST with `status`; `bodies` are what came in."""

    def __init__(self, folder: Path, status: int) -> None:
        root = make_root()
        self.authority = folder / "ca.pem"
        self.authority.write_bytes(root.pem)
        self.bodies: list[tuple[str | None, bytes]] = []
        bodies = self.bodies

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append((self.headers["Content-Type"], self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *words: object) -> None:
                """Nobody reads it."""

        self._server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
        context = root.issue("us", addresses=["127.0.0.1"]).server_context(folder)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *trouble: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.mark.parametrize(("status", "wanted"), [(201, 0), (500, 75), (302, 75)])
def test_reports_by_https(
    capsys: pytest.CaptureFixture[str], journal: Path, tmp_path: Path, status: int, wanted: int
) -> None:
    pytest.importorskip("httpx", reason="httpx is not installed: pip install mailrider[mta-sts]")
    with HttpsThread(tmp_path, status) as server:
        record = f"v=TLSRPTv1; rua=https://127.0.0.1:{server.port}/tls"
        (journal / f"{DAY}.jsonl").write_text(json.dumps(SESSION | {"record": record}) + "\n")
        code, _, err = tlsrpt(capsys, journal, "--day", DAY, "--send", "-o", f"tls_mta_sts_CAfile={server.authority}")
    assert code == wanted, err
    ((media_type, body),) = server.bodies
    assert media_type == "application/tlsrpt+gzip"
    assert json.loads(gzip.decompress(body))["report-id"] == f"{DAY}.a.test@mx.us.test"
    assert (journal / f"{DAY}.a.test.sent").exists() is (wanted == 0)
