"""A private Dovecot with a submission service: own folders, own ports; nothing of the machine's own is used."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.peers.listening import wait_until_it_listens
from tests.ports import free_port

from mailrider.testkit.authority import Certificate

DOVECOT = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


PASSWORD = "secret=with;signs"

CONFIGURATION = """
protocols = submission
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
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
# Wrong passwords make nobody wait here: others would wait with them.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  unix_listener {folder}/auth {{
    mode = 0666
  }}
}}
"""

IN_CLEAR = """
ssl = no
disable_plaintext_auth = no
service submission-login {{
  chroot =
  inet_listener submission {{
    address = 127.0.0.1
    port = {port}
  }}
}}
"""

WITH_TLS = """
ssl = required
ssl_cert = <{folder}/server.pem
ssl_key = <{folder}/server.pem
service submission-login {{
  chroot =
  inet_listener submission {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener submissions {{
    address = 127.0.0.1
    port = {wrapper_port}
    ssl = yes
  }}
}}
"""


def why_not() -> str:
    """Why no Dovecot can be run here, or nothing."""
    if DOVECOT is None or not Path("/usr/lib/dovecot/submission-login").exists():
        return "dovecot is not installed (Debian packages dovecot-core, dovecot-submissiond)"
    return "dovecot has to be started by root" if os.geteuid() != 0 else ""


class Dovecot:
    """One instance; it relays to `relay_port`, and answers at `auth` for others who ask who somebody is.

    With a `certificate` it has TLS, at `wrapper_port` from the beginning; without, it takes passwords in clear.
    """

    def __init__(self, certificate: Certificate | None = None) -> None:
        self.port, self.wrapper_port, self.relay_port = free_port(), free_port(), free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="mailrider-dovecot-"))
        self.folder.chmod(0o755)  # its processes are not root
        self.auth = self.folder / "auth"
        (self.folder / "mail").mkdir()
        shutil.chown(self.folder / "mail", "nobody")
        (self.folder / "users").write_text(f"user:{{PLAIN}}{PASSWORD}\n")
        if certificate is not None:
            certificate.write(self.folder, "server")
        configuration = self.folder / "dovecot.conf"
        text = CONFIGURATION + (IN_CLEAR if certificate is None else WITH_TLS)
        ports = {"port": self.port, "wrapper_port": self.wrapper_port, "relay_port": self.relay_port}
        configuration.write_text(text.format(folder=self.folder, **ports))
        assert DOVECOT is not None
        self.process = subprocess.Popen(
            [DOVECOT, "-F", "-c", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    @property
    def log(self) -> str:
        log = self.folder / "log"
        return log.read_text() if log.exists() else ""

    async def wait_until_it_listens(self) -> None:
        assert await wait_until_it_listens(self.process, self.port), f"dovecot does not start: {self.log}"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=90)
        shutil.rmtree(self.folder)
