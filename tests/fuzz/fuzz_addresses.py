"""Coverage-guided fuzzing of address headers: python tests/fuzz/fuzz_addresses.py [-max_total_time=600] [CORPUS_FOLDER]

Needs `atheris`; it is not part of the test run.  Any header can be taken apart and put together again and loses no token.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports():
    from mailrider.content.address_fields import rewrite_field
    from mailrider.content.address_lists import find_addresses
    from mailrider.content.address_tokens import Token, quote_address, tokenize, unquote_address


def ignore(text: str) -> None:
    pass


def keep(address: str) -> str:
    return address


def test_one_input(data: bytes) -> None:
    value = data.replace(b"\0", b"")
    tokens = tokenize(value)
    found = find_addresses(tokens)
    assert sum(1 if isinstance(element, Token) else len(element) for element in found) >= len(tokens)
    lines = rewrite_field(2, b"To:" + value, keep, ignore)
    assert (lines is None) == all(isinstance(element, Token) for element in found)
    unquote_address(quote_address(value))


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
