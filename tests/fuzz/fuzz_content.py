"""Coverage-guided fuzzing of `fit_content`: python tests/fuzz/fuzz_content.py [-max_total_time=600] [CORPUS_FOLDER]

Needs `atheris`; it is not part of the test run.  Whatever the octets: no exception but the documented ones, text that is fit
for the wire, and the same text however the message is cut.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import atheris

with atheris.instrument_imports():
    from mailrider.content.canonical import canonicalize
    from mailrider.content.fit import Fitting, fit_content
    from mailrider.content.generic import Extensions, Generic
    from mailrider.content.mime import Limits
    from mailrider.content.whole_address import Completion
    from mailrider.errors import TableTrouble, UnsuitableContent

SMALL = Limits(3, 20, 200, 64)


class Content:
    def __init__(self, octets: bytes, piece_octets: int) -> None:
        self._octets = octets
        self._piece_octets = piece_octets
        self.size_octets = len(octets)

    def chunks(self) -> Iterator[bytes]:
        for start in range(0, len(self._octets), self._piece_octets):
            yield self._octets[start : start + self._piece_octets]


class EveryAddress:
    def find(self, key: str, *, partial: bool = False) -> str | None:
        return {"a": "@x.y", "b": "x", "c": "X Y <x@y>", "d": "a, b", "e": '"q q"@z'}.get(key[:1])


def check(key: str) -> str | None:
    return {"A": "PREPEND X: y", "B": "IGNORE", "C": "REPLACE Z: z", "D": "STRIP", "E": "nonsense", "F": "WARN"}.get(key[:1])


def rewrite(address: str) -> str | None:
    try:
        return Generic(EveryAddress(), Extensions("+", True), Completion("o.test", "d.test")).rewrite(address)
    except TableTrouble:
        return None


FITTINGS = (
    Fitting(downgrade=True, limits=SMALL),
    Fitting(downgrade=True, line_limit_octets=40, limits=SMALL),
    Fitting(header_checks=check, nested_header_checks=check, limits=SMALL),
    Fitting(generic=rewrite, limits=SMALL),
    Fitting(
        downgrade=True, header_checks=check, mime_header_checks=check, body_checks=check, generic=rewrite, limits=SMALL,
        prepend=(b"Return-Path: <a@b>",),
    ),
)  # fmt: skip


def fit(octets: bytes, fitting: Fitting, piece_octets: int) -> bytes | None:
    try:
        return b"".join(fit_content(Content(octets, piece_octets), fitting))
    except UnsuitableContent:
        return None


def test_one_input(data: bytes) -> None:
    if len(data) < 2:
        return
    fitting, piece_octets, octets = FITTINGS[data[0] % len(FITTINGS)], 1 + data[1], data[2:]
    fit(octets, fitting, piece_octets)
    octets = canonicalize(octets)
    out = fit(octets, fitting, piece_octets)
    assert out == fit(octets, fitting, 1 << 30)
    if out:
        assert out.endswith(b"\r\n")
        assert out.count(b"\r") == out.count(b"\n") == out.count(b"\r\n")
        assert b"\n.\r\n" not in out
        assert not out.startswith(b".\r\n")


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
