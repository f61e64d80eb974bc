"""A private lmtpd of Cyrus IMAP: the one packaged server that speaks SCRAM with channel binding to a mail client.

Its Debian packages would get into the way of others, so they are fetched and unpacked into a folder of their own among the
temporary files, which stays there for the next time.  Own configuration, own ports; nothing of the machine's own is used but
libraries.
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.peers.listening import wait_until_it_listens
from tests.ports import free_port

from mailrider.testkit.authority import Certificate

PACKAGES = ("cyrus-common", "cyrus-imapd", "libical3", "libpcre3", "libsasl2-modules", "libxapian30", "sasl2-bin")
UNPACKED = Path(tempfile.gettempdir()) / f"mailrider-cyrus-{os.getuid()}"
LIBRARIES = (UNPACKED / "usr/lib/x86_64-linux-gnu", UNPACKED / "lib/x86_64-linux-gnu")
PLUGINS = "/usr/lib/x86_64-linux-gnu/sasl2"
HAS_SCRAM = Path(PLUGINS, "libscram.so").exists()
"""Where Cyrus SASL looks for mechanisms, and whether SCRAM is there without our help."""

FETCH_SECONDS = 60.0
"""3 MB."""


USER, PASSWORD, REALM = "joe", "secret", "mx.example.test"

CONFIGURATION = """
configdirectory: {folder}/lib
defaultpartition: default
partition-default: {folder}/spool
cyrus_user: nobody
cyrus_group: nogroup
servername: {realm}
lmtp_admins: {user}
allowplaintext: no
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {folder}/sasldb2
sasl_mech_list: SCRAM-SHA-1 SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-256-PLUS
tls_server_cert: {folder}/server.pem
tls_server_key: {folder}/server.pem
tls_versions: tls1_2 tls1_3
lmtpsocket: {folder}/lib/socket/lmtp
"""

SERVICES = """
START {{
}}
SERVICES {{
  lmtp cmd="{lmtpd} -C {folder}/imapd.conf" listen="127.0.0.1:{port}" prefork=0
}}
EVENTS {{
}}
"""


def _environment() -> dict[str, str]:
    own = {"LD_LIBRARY_PATH": ":".join(map(str, LIBRARIES))}
    return {**os.environ, **own, **({} if HAS_SCRAM else {"SASL_PATH": f"{UNPACKED}{PLUGINS}:{PLUGINS}"})}


def _program(name: str) -> Path:
    return UNPACKED / ("usr/sbin" if name.startswith("sasl") else "usr/lib/cyrus/bin") / name


@functools.cache
def why_not() -> str:
    """Why no lmtpd can be run here, or nothing.  Fetches it the first time."""
    if os.geteuid() != 0:
        return "Cyrus IMAP has to be started by root"
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        return "the Debian packages of Cyrus IMAP cannot be fetched: there is no apt-get"
    if not UNPACKED.exists():
        reason = _fetch()
        if reason:
            return reason
    found = UNPACKED.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        return f"{UNPACKED} belongs to somebody else"
    return next(_find_missing_libraries(), "")


def _fetch() -> str:
    with tempfile.TemporaryDirectory(prefix="mailrider-cyrus-") as folder:
        try:
            subprocess.run(
                ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *PACKAGES],
                cwd=folder, check=True, capture_output=True, timeout=FETCH_SECONDS,
            )  # fmt: skip
            root = Path(tempfile.mkdtemp(prefix=f"{UNPACKED.name}-", dir=UNPACKED.parent))
            for package in Path(folder).glob("*.deb"):
                subprocess.run(["dpkg", "-x", str(package), str(root)], check=True, capture_output=True, timeout=FETCH_SECONDS)
            root.chmod(0o755)  # its processes are not root
            try:
                root.rename(UNPACKED)
            except OSError:  # somebody was faster
                shutil.rmtree(root)
        except (subprocess.SubprocessError, OSError):
            return "the Debian packages of Cyrus IMAP cannot be fetched: " + " ".join(PACKAGES)
    return ""


def _find_missing_libraries() -> Iterator[str]:
    for name in ("master", "lmtpd", "saslpasswd2"):
        done = subprocess.run(["ldd", str(_program(name))], capture_output=True, text=True, env=_environment(), timeout=60)
        missing = [line.split()[0] for line in done.stdout.splitlines() if "not found" in line]
        if missing or done.returncode:
            yield f"{name} of Cyrus IMAP cannot be run here: no {' '.join(missing) or 'such program'}"


class Cyrus:
    """One instance, at `port`; whoever gives `PASSWORD` is `USER` and may hand in mail, for which there is no mailbox."""

    def __init__(self, certificate: Certificate) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="mailrider-lmtpd-"))
        names = {"folder": self.folder, "realm": REALM, "user": USER, "port": self.port, "lmtpd": _program("lmtpd")}
        (self.folder / "imapd.conf").write_text(CONFIGURATION.format(**names))
        (self.folder / "cyrus.conf").write_text(SERVICES.format(**names))
        certificate.write(self.folder, "server")
        for name in ("lib/db", "lib/proc", "lib/socket", "lib/lock", "spool"):
            (self.folder / name).mkdir(parents=True)
        subprocess.run(
            [_program("saslpasswd2"), "-p", "-c", "-f", self.folder / "sasldb2", "-u", REALM, USER],
            input=PASSWORD.encode(), check=True, env=_environment(), timeout=60,
        )  # fmt: skip
        for path in (self.folder, *self.folder.rglob("*")):
            shutil.chown(path, "nobody", "nogroup")
        self.process = subprocess.Popen(
            [_program("master"), "-C", self.folder / "imapd.conf", "-M", self.folder / "cyrus.conf", "-p", self.folder / "pid"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_environment(), start_new_session=True,
        )  # fmt: skip

    async def wait_until_it_listens(self) -> None:
        assert await wait_until_it_listens(self.process, self.port), f"lmtpd does not start; master: {self.process.poll()}"

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)
