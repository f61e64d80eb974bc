"""Builds the indexed file of a table from its text, as postmap(1) does.

The new file is written beside the old one, put on the disk and then renamed into its place: who looks something up sees the
old table or the new one.  It may be read by whom the text may be read by.  Where root builds it, everything is done as the
owner of the text, to whom the table then belongs: the folder may be in the hands of somebody who is not to act as root.
"""

from __future__ import annotations

import base64
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

from mailrider.errors import WrongConfiguration
from mailrider.tables.berkeley import write_berkeley
from mailrider.tables.braces import split_members
from mailrider.tables.cdb_file import write_cdb
from mailrider.tables.fixed import split_pairs
from mailrider.tables.indexed import NULL
from mailrider.tables.lmdb_file import write_lmdb
from mailrider.tables.logical_lines import Warn, quote_beginning, split_logical_lines
from mailrider.tables.source import FILE_LIMIT_OCTETS, read_text
from mailrider.tables.table import fold_key

SUFFIXES: Final = {"btree": ".db", "cdb": ".cdb", "hash": ".db", "lmdb": ".lmdb"}
"""The types that can be built, and the suffixes of their files."""


class Duplicates(Enum):
    """What becomes of a key that was there before."""

    WARN = "warn"
    IGNORE = "ignore"
    REPLACE = "replace"


class Manner(NamedTuple):
    """How to build: whether keys are folded and values name files; duplicates; a null octet behind each, or as usual."""

    folds: bool = True
    values_are_files: bool = False
    duplicates: Duplicates = Duplicates.WARN
    ends_with_null: bool | None = None


def build_table(kind: str, name: str, manner: Manner, warn: Warn) -> int:
    """Build the table `kind:name` from the text `name`; how many keys it has.

    `warn` hears of lines that are ignored.  Raises `WrongConfiguration` where it cannot be built.
    """
    title = f"{kind}:{name}"
    if kind not in SUFFIXES:
        remedy = f"only {', '.join(SUFFIXES)} are built; the others are used as they are"
        raise WrongConfiguration(f"{title}: a table of type {quote_beginning(kind)} cannot be built; {remedy}")
    ends_with_null = kind != "cdb" if manner.ends_with_null is None else manner.ends_with_null
    ending = NULL if ends_with_null else b""
    try:
        status = os.stat(name)
    except (OSError, ValueError) as trouble:
        raise WrongConfiguration(f"open {name}: {getattr(trouble, 'strerror', None) or trouble}") from None
    try:
        with _acting_as(status):
            pairs = _read_pairs(name, manner, warn)
            encoded = [(key.encode() + ending, value.encode() + ending) for key, value in pairs.items()]
            _replace(status, Path(name + SUFFIXES[kind]), lambda path: _write(kind, path, encoded))
    except (OSError, ValueError) as trouble:
        reason = getattr(trouble, "strerror", None) or str(trouble)
        raise WrongConfiguration(f"{title}: cannot build {name}{SUFFIXES[kind]}: {reason}") from None
    return len(encoded)


@contextmanager
def _acting_as(owner: os.stat_result) -> Iterator[None]:
    """Give up root's rights for a while, in favour of the owner of a file who is somebody else."""
    if os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    os.setgroups([owner.st_gid])
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def read_files(names: str) -> bytes:
    """The contents of the files in a list, a line end between two.  Raises `WrongConfiguration`."""
    pieces = []
    for name in split_members(names):
        try:
            with open(name, "rb") as file:
                pieces.append(file.read(FILE_LIMIT_OCTETS + 1))
        except (OSError, ValueError) as trouble:
            reason = getattr(trouble, "strerror", None) or str(trouble)
            raise WrongConfiguration(f"open {name}: {reason}") from None
        if len(pieces[-1]) > FILE_LIMIT_OCTETS:
            raise WrongConfiguration(f"{name} is larger than {FILE_LIMIT_OCTETS} octets")
    if not pieces:
        raise WrongConfiguration(f"no file is named in {quote_beginning(names)}")
    return b"\n".join(pieces)


def _read_pairs(name: str, manner: Manner, warn: Warn) -> dict[str, str]:
    values: dict[str, str] = {}
    lines = list(split_logical_lines(read_text(name), name, warn))
    for number, key, value in split_pairs(lines, name, warn):
        kept = fold_key(key) if manner.folds else key
        if kept in values and manner.duplicates is not Duplicates.REPLACE:
            if manner.duplicates is Duplicates.WARN:
                warn(f"{name}, line {number}: ignored duplicate entry {quote_beginning(key)}")
            continue
        if manner.values_are_files:
            try:
                value = base64.b64encode(read_files(value)).decode("ascii")
            except WrongConfiguration as trouble:
                warn(f"{name}, line {number}: ignored: {trouble}")
                continue
        values[kept] = value
    return values


def _write(kind: str, path: str, pairs: list[tuple[bytes, bytes]]) -> None:
    if kind == "lmdb":
        write_lmdb(path, pairs)
    elif kind == "cdb":
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            write_cdb(descriptor, pairs)
        finally:
            os.close(descriptor)
    else:
        write_berkeley(kind, path, pairs)


def _replace(source: os.stat_result, target: Path, write: Callable[[str], None]) -> None:
    """Have a new `target` written in a folder of its own beside it, and rename it into its place."""
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        built = os.path.join(folder, target.name)
        write(built)
        descriptor = os.open(built, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # Whoever may not read the text may not read what was made of it.
            os.fchmod(descriptor, 0o644 & (stat.S_IMODE(source.st_mode) | 0o600))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(built, target)
