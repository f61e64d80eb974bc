"""OpenSSL's own configuration; each case in a process of its own, since it is read once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.tls.openssl_settings import Loaded, find_application, load_openssl

FILE = """
openssl_conf = usual
mailrider = ours  # for us
.include = {empty}

[usual]
ssl_conf = usual_ssl
[usual_ssl]
system_default = usual_settings
[usual_settings]
SignatureAlgorithms = RSA-PSS+SHA256

[ours]
ssl_conf = our_ssl
[our_ssl]
system_default = our_settings
[our_settings]
SignatureAlgorithms = ECDSA+SHA256
"""

PROGRAM = """
import sys
{before}
from mailrider.tls.openssl_settings import load_openssl
print(*load_openssl(sys.argv[1], sys.argv[2]), sep="|")
from OpenSSL import SSL
connection = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
connection.set_connect_state()
try:
    connection.do_handshake()
except SSL.WantReadError:
    pass
print(connection.bio_read(9999).hex())
"""

USUAL, OURS = "000d000400020804", "000d000400020403"
"""The extension that tells a server which signatures will do (RFC 8446 §4.2.3)."""


def offer(file: str, name: str, before: str = "", **variables: str) -> tuple[str, str]:
    """What was said of the configuration, and which one shows in what is offered."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(before=before), file, name],
        capture_output=True, text=True, timeout=120, check=True, env={"PATH": "/usr/bin:/bin", **variables},
    )  # fmt: skip
    said, hello = done.stdout.splitlines()
    shown = {USUAL: "usual", OURS: "ours"}
    return said, next((word for octets, word in shown.items() if octets in hello), "none")


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "empty.cnf").write_text("")
    path = tmp_path / "openssl.cnf"
    path.write_text(FILE.format(empty=tmp_path / "empty.cnf"))
    return str(path)


GOOD = "|True"


@pytest.mark.parameter("tls_config_file")
def test_the_file_that_counts(file: str) -> None:
    assert offer(file, "") == (GOOD, "usual")
    assert offer("default", "", OPENSSL_CONF=file) == (GOOD, "usual")
    assert offer("none", "", OPENSSL_CONF=file) == (GOOD, "none")


@pytest.mark.parameter("tls_config_name")
def test_the_application_that_counts(file: str) -> None:
    assert offer(file, "mailrider") == (GOOD, "ours")
    assert offer("default", "mailrider", OPENSSL_CONF=file) == (GOOD, "ours")
    assert offer("default", "nobody", OPENSSL_CONF=file) == (GOOD, "usual")
    said, _ = offer(file, "nobody")
    assert said == f"cannot load tls_config_file = {file}: there is no nobody in it|False"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    said, _ = offer(str(tmp_path / "no"), "")
    assert said == f"cannot load tls_config_file = {tmp_path / 'no'}: No such file or directory|False"


def test_a_process_that_uses_openssl_already(file: str) -> None:
    said, shown = offer(file, "", "import OpenSSL.SSL")
    assert said == "tls_config_file and tls_config_name come too late: this process uses OpenSSL already|True"
    assert shown == "none"


def test_nothing_is_loaded_for_those_who_set_nothing() -> None:
    assert load_openssl("default", "") == Loaded()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a = b", "b"),
        ("  a\t=b # c", "b"),
        ("a = b\na = c", "c"),
        ("[x]\na = b", ""),
        ("[x]\n[ default ]\na = b", "b"),
        ("# a = b", ""),
        ("aa = b", ""),
        ("", ""),
    ],
)
def test_names_of_applications(text: str, wanted: str) -> None:
    assert find_application(text, "a") == wanted


@given(st.text(alphabet="a=b[]\n# default", max_size=60), st.text(max_size=5))
def test_no_file_is_too_odd(text: str, name: str) -> None:
    assert isinstance(find_application(text, name), str)
