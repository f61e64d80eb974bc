"""The configuration that OpenSSL reads when it is loaded (`tls_config_file`, `tls_config_name`, openssl.cnf(5)).

It is read once for a process, at the moment of loading, so `load_openssl` comes before anything that uses OpenSSL; in a program
that uses it already it comes too late, and says so.  Nobody who leaves both parameters alone pays anything here.

`default`: what OpenSSL finds by itself, or in `$OPENSSL_CONF`.  `none`: nothing.  A path: that file, which must have settings
for the application that was named (`openssl_conf` where none was), else there is no TLS.

Known fault: OpenSSL does not tell of nonsense inside the sections of a file, and goes on without it.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

FILE_LIMIT_OCTETS = 1024 * 1024
"""The file that comes with OpenSSL has 12 kB."""

DEFAULT, NONE = "default", "none"

_VARIABLE = "OPENSSL_CONF"
_BINDING = "cryptography.hazmat.bindings._rust"
"""The module that loads OpenSSL."""

_USUAL_NAME = "openssl_conf"
_SECTION = re.compile(r"^[ \t]*\[[ \t]*([^\]]*?)[ \t]*\]", re.MULTILINE)


class Loaded(NamedTuple):
    """What came of it: `problem` is for the log, empty where there is none; `usable`: there can be TLS all the same."""

    problem: str = ""
    usable: bool = True


_answers: dict[tuple[str, str], Loaded] = {}


def load_openssl(file: str, name: str) -> Loaded:
    """Load OpenSSL with the settings for the application `name` in `file`; the answer is remembered."""
    if (file, name) == (DEFAULT, ""):
        return Loaded()
    answer = _answers.get((file, name))
    if answer is None:
        answer = _answers[file, name] = _load(file, name)
    return answer


def _load(file: str, name: str) -> Loaded:
    if _BINDING in sys.modules:
        return Loaded("tls_config_file and tls_config_name come too late: this process uses OpenSSL already")
    if file == NONE:
        _import_with(os.devnull)
        return Loaded()
    path = os.environ.get(_VARIABLE, "") if file == DEFAULT else file
    if not path:
        return Loaded()  # nothing to choose from
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as opened:
            text = opened.read(FILE_LIMIT_OCTETS)
    except (OSError, ValueError) as trouble:
        reason = trouble.strerror if isinstance(trouble, OSError) else str(trouble)
        return Loaded(f"cannot load tls_config_file = {path}: {reason}", file == DEFAULT)
    application = name or _USUAL_NAME
    section = find_application(text, application)
    if not section and file != DEFAULT:
        return Loaded(f"cannot load tls_config_file = {path}: there is no {application} in it", usable=False)
    with _rewritten(text, section) as own:
        _import_with(own)
    return Loaded()


def find_application(text: str, name: str) -> str:
    """The section that a configuration file names for an application; empty where it names none."""
    found = ""
    pieces = _SECTION.split(text)
    for title, body in [("default", pieces[0]), *zip(pieces[1::2], pieces[2::2], strict=True)]:
        if title == "default":
            for match in re.finditer(rf"^[ \t]*{re.escape(name)}[ \t]*=[ \t]*([^\s#]+)", body, re.MULTILINE):
                found = match[1]
    return found


@contextlib.contextmanager
def _rewritten(text: str, section: str) -> Iterator[str]:
    """A file of its own in which that section is the one that OpenSSL takes."""
    with tempfile.NamedTemporaryFile("w", suffix=".cnf", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
        if section:
            file.write(f"\n[default]\n{_USUAL_NAME} = {section}\n")
        file.flush()
        yield file.name


def _import_with(path: str) -> None:
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = path
    try:
        from OpenSSL import SSL

        SSL.Context(SSL.TLS_CLIENT_METHOD)  # it is not read before the first
    finally:
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before
