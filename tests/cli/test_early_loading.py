"""Whatever the rooms below import in the middle of their work must have been loaded before privileges are given up."""

from __future__ import annotations

import ast
from pathlib import Path

import mailrider
from mailrider.cli import early_loading
from mailrider.machine import read_settings

SOURCE = Path(mailrider.__file__).parent
ROOMS = ("attributes", "content", "delivery", "model", "net", "postfix", "resolver", "route", "sasl", "smtp", "tls", "trust")

AT_OPENING = frozenset({"difflib", "importlib.util"})
"""Imported while an agent is being built, or for messages about names only."""


def late_imports(path: Path) -> set[str]:
    """The modules that functions of a file import."""
    found = set()
    for function in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    found.update(alias.name for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module:
                    found.add(node.module)
    return found


def test_nothing_is_imported_too_late() -> None:
    loaded = {
        *early_loading.CODECS, *early_loading.RECORD_TYPES, *early_loading.CORE, *early_loading.TLS, *early_loading.LOGIN,
        *early_loading.FETCHING,
    }  # fmt: skip
    covered = loaded | {name.rpartition(".")[0] for name in loaded if "." in name} | AT_OPENING
    missing = {
        f"{path.relative_to(SOURCE)}: {name}"
        for room in ROOMS
        for path in (SOURCE / room).rglob("*.py")
        for name in late_imports(path)
        if name not in covered and name.partition(".")[0] not in covered
    }
    assert not missing


def test_what_master_cf_says_counts_too(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("myhostname = mail.example.com\n")
    (tmp_path / "master.cf").write_text("relay unix - - n - - smtp -o smtp_tls_security_level=may\n")
    assert [entry.name for entry in early_loading.list_entries(read_settings(tmp_path))] == [
        "myhostname", "smtp_tls_security_level"
    ]  # fmt: skip
