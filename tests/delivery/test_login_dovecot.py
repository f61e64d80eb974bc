"""Logging in to Dovecot's submission service, with every mechanism that both of us have."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailrider.events import Warned
from mailrider.testkit.peers import ScriptedServer

from .scene import Scene, brief

DOVECOT = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

if DOVECOT is None or not Path("/usr/lib/dovecot/submission-login").exists():
    pytest.skip("dovecot is not installed (Debian packages dovecot-core, dovecot-submissiond)", allow_module_level=True)
if os.geteuid() != 0:
    pytest.skip("dovecot has to be started by root", allow_module_level=True)

START_ATTEMPTS = 200
START_PAUSE_SECONDS = 0.05
"""Dovecot takes up to a second to listen."""

DELIVERY_SECONDS = 60.0

CONFIGURATION = """
protocols = submission
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256
auth_realms = example.test
auth_debug = no
auth_failure_delay = 0
mail_location = maildir:{folder}/mail
first_valid_uid = 1
hostname = mx.example.test
submission_relay_host = 127.0.0.1
submission_relay_port = {relay_port}
submission_relay_trusted = yes
passdb {{
  driver = passwd-file
  args = username_format=%n {folder}/users
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={folder}/mail
}}
service submission-login {{
  chroot =
  inet_listener submission {{
    address = 127.0.0.1
    port = {port}
  }}
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Dovecot:
    """One instance with a folder of its own; it relays to `relay_port`."""

    def __init__(self) -> None:
        self.port, self.relay_port = free_port(), free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="mailrider-dovecot-"))
        self.folder.chmod(0o755)  # its processes are not root
        (self.folder / "mail").mkdir()
        shutil.chown(self.folder / "mail", "nobody")
        (self.folder / "users").write_text("user:{PLAIN}secret=with;signs\n")
        self.configuration = self.folder / "dovecot.conf"
        text = CONFIGURATION.format(folder=self.folder, port=self.port, relay_port=self.relay_port)
        self.configuration.write_text(text)
        assert DOVECOT is not None
        self.process = subprocess.Popen(
            [DOVECOT, "-F", "-c", str(self.configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    @property
    def log(self) -> str:
        log = self.folder / "log"
        return log.read_text() if log.exists() else ""

    async def wait_until_it_listens(self) -> None:
        for _ in range(START_ATTEMPTS):
            if self.process.poll() is not None:
                break
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(START_PAUSE_SECONDS)
            else:
                writer.close()
                return
        raise AssertionError(f"dovecot does not start: {self.log}")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)
        shutil.rmtree(self.folder)


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    instance = Dovecot()
    try:
        yield instance
    finally:
        instance.stop()


def deliver(dovecot: Dovecot, mechanism: str, password: str = "secret=with;signs") -> tuple[str, list[str], list[str]]:
    """The outcome, the senders that the relay heard, and the warnings."""

    async def main() -> tuple[str, list[str], list[str]]:
        await dovecot.wait_until_it_listens()
        settings = {
            "smtp_sasl_auth_enable": True,
            "smtp_sasl_password_maps": "static:user:" + password,
            "smtp_sasl_security_options": "noanonymous",
            "smtp_sasl_mechanism_filter": mechanism,
        }
        async with ScriptedServer(port=dovecot.relay_port) as relay:
            async with Scene(**settings) as scene:
                report = await scene.deliver(f"[127.0.0.1]:{dovecot.port}")
                warnings = [event.text for event in scene.told(Warned)]
            senders = [message.sender for session in relay.sessions for message in session.messages]
            return brief(report)[0], senders, warnings

    return asyncio.run(asyncio.wait_for(main(), DELIVERY_SECONDS))


MECHANISMS = ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_dovecot_lets_us_in(dovecot: Dovecot, mechanism: str) -> None:
    outcome, senders, warnings = deliver(dovecot, mechanism)
    assert outcome.startswith("sent 2."), dovecot.log
    assert senders == ["a@example.test"]
    assert warnings == []


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_but_not_with_another_password(dovecot: Dovecot, mechanism: str) -> None:
    outcome, senders, _ = deliver(dovecot, mechanism, "guess")
    assert outcome.startswith("deferred 4.7.8 SASL authentication failed; server 127.0.0.1[127.0.0.1] said: 535 5.7.8")
    assert senders == []


def test_the_strongest_is_taken_of_its_own_accord(dovecot: Dovecot) -> None:
    outcome, senders, _ = deliver(dovecot, "static:all")
    assert outcome.startswith("sent 2."), dovecot.log
    assert senders == ["a@example.test"]
    assert "guess" not in dovecot.log
