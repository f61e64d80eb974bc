"""`cdb:/path`: a constant database, in `/path.cdb` (format: <https://cr.yp.to/cdb/cdb.txt>).

The file is read with pread(2) and not mapped into memory: whoever shortens a mapped file kills its readers.  cdb files are
replaced as a whole; the new one is seen within a second.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Final

from mailrider.errors import TableTrouble
from mailrider.tables.indexed import VALUE_LIMIT_OCTETS, IndexedTable

TABLES: Final = 256
"""Hash tables in a file; a pointer to each, position and slots, stands at its beginning."""

HEADER_OCTETS: Final = TABLES * 8

_PAIR: Final = struct.Struct("<II")


def hash_key(key: bytes) -> int:
    """The hash of a key, 32 bits."""
    value = 5381
    for octet in key:
        value = ((value << 5) + value & 0xFFFFFFFF) ^ octet
    return value


class CdbTable(IndexedTable):
    """`cdb:`."""

    kind = "cdb"
    suffix = ".cdb"
    _descriptor: int | None = None

    def __del__(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def _open(self) -> None:
        descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = descriptor
        self._header = self._read(0, HEADER_OCTETS)

    def _read(self, position: int, octets: int) -> bytes:
        assert self._descriptor is not None
        piece = os.pread(self._descriptor, octets, position)
        if len(piece) != octets:
            raise TableTrouble(f"{self.title}: {self._path} is no cdb file, or a part of one")
        return piece

    def _fetch(self, key: bytes) -> bytes | None:
        wanted = hash_key(key)
        start, slots = _PAIR.unpack_from(self._header, wanted % TABLES * 8)
        for step in range(slots):
            slot = (wanted // TABLES + step) % slots
            found, position = _PAIR.unpack(self._read(start + slot * 8, 8))
            if not position:
                return None
            if found == wanted:
                key_octets, value_octets = _PAIR.unpack(self._read(position, 8))
                if key_octets == len(key) and self._read(position + 8, key_octets) == key:
                    return self._read_value(position + 8 + key_octets, value_octets)
        return None

    def _read_value(self, position: int, octets: int) -> bytes:
        if octets > VALUE_LIMIT_OCTETS:
            raise TableTrouble(f"{self.title}: a value of {octets} octets is longer than {VALUE_LIMIT_OCTETS}")
        return self._read(position, octets)

    def _walk(self) -> Iterator[tuple[bytes, bytes]]:
        # The records end where the first hash table begins.
        end = min(_PAIR.unpack_from(self._header, number * 8)[0] for number in range(TABLES))
        position = HEADER_OCTETS
        while position < end:
            key_octets, value_octets = _PAIR.unpack(self._read(position, 8))
            key = self._read_value(position + 8, key_octets)
            yield key, self._read_value(position + 8 + key_octets, value_octets)
            position += 8 + key_octets + value_octets


def write_cdb(descriptor: int, pairs: list[tuple[bytes, bytes]]) -> None:
    """Write a constant database into an empty file.  Raises `OSError`, and `ValueError` where it would pass 4 gigaoctets."""
    tables: list[list[tuple[int, int]]] = [[] for _ in range(TABLES)]
    position = HEADER_OCTETS
    with os.fdopen(descriptor, "wb", closefd=False) as file:
        file.seek(HEADER_OCTETS)
        for key, value in pairs:
            wanted = hash_key(key)
            tables[wanted % TABLES].append((wanted, position))
            file.write(_PAIR.pack(len(key), len(value)) + key + value)
            position += 8 + len(key) + len(value)
        header = bytearray()
        for entries in tables:
            slots = len(entries) * 2
            if position + slots * 8 > 0xFFFFFFFF:
                raise ValueError("more than 4 gigaoctets do not fit into a cdb file")
            header += _PAIR.pack(position, slots)
            file.write(_lay_out(entries, slots))
            position += slots * 8
        file.seek(0)
        file.write(header)


def _lay_out(entries: list[tuple[int, int]], slots: int) -> bytes:
    """One hash table: each entry in the first free slot from its own on."""
    table = [(0, 0)] * slots
    for entry in entries:
        slot = entry[0] // TABLES % slots
        while table[slot][1]:
            slot = (slot + 1) % slots
        table[slot] = entry
    return b"".join([_PAIR.pack(*pair) for pair in table])
