"""Which rule of which table is found."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mailrider.errors import TableTrouble
from mailrider.model.tls import TlsLevel
from mailrider.trust.policy import CONFIGURATION_PROBLEM, LOOKUP_PROBLEM, NoPolicy
from mailrider.trust.sources import find_in_policy_table, find_in_site_table


class Known:
    """A table in memory."""

    title = "smtp_tls_policy_maps"

    def __init__(self, entries: Mapping[str, str]) -> None:
        self.entries = entries
        self.asked: list[str] = []

    def find(self, key: str) -> str | None:
        self.asked.append(key)
        if self.entries.get(key) == "trouble":
            raise TableTrouble("it does not answer")
        return self.entries.get(key)


@pytest.mark.parametrize(
    ("nexthop", "asked"),
    [
        ("a.b.example", ["a.b.example", ".b.example", ".example"]),
        ("example", ["example"]),
        ("[mx.example.com]:25", ["[mx.example.com]:25"]),
        ("[mx.example.com]", ["[mx.example.com]"]),
        ("example.com:587", ["example.com:587"]),
        ("/run/lmtp", ["/run/lmtp"]),
        ("b\u00fccher.example", ["b\u00fccher.example", ".example"]),
    ],
)
def test_keys_of_a_policy_table(nexthop: str, asked: list[str]) -> None:
    table = Known({})
    assert find_in_policy_table(table, nexthop, pytest.fail) is None
    assert table.asked == asked


def test_the_nearest_parent_wins_and_is_told() -> None:
    found = find_in_policy_table(Known({".example": "may", ".b.example": "encrypt"}), "a.b.example", pytest.fail)
    assert found is not None
    assert not isinstance(found, NoPolicy)
    assert found.entry.level is TlsLevel.ENCRYPT
    assert str(found.source) == 'smtp_tls_policy_maps: ".b.example" = "encrypt"'


@pytest.mark.parametrize("text", ["bogus", "trouble"])
def test_an_entry_that_cannot_be_used_ends_the_search(text: str) -> None:
    warnings: list[str] = []
    found = find_in_policy_table(Known({"a.example": text, ".example": "may"}), "a.example", warnings.append)
    assert found is CONFIGURATION_PROBLEM
    assert 'smtp_tls_policy_maps, next-hop destination "a.example": ' in warnings[-1]


NONE, MAY, ENCRYPT, VERIFY = TlsLevel.NONE, TlsLevel.MAY, TlsLevel.ENCRYPT, TlsLevel.VERIFY


@pytest.mark.parametrize(
    ("by_nexthop", "by_host", "otherwise", "expected"),
    [
        (None, None, ENCRYPT, None),
        ("NONE", None, VERIFY, NONE),
        ("MAY", None, NONE, MAY),
        ("MAY", None, ENCRYPT, None),
        ("MUST", None, NONE, VERIFY),
        ("must_nopeermatch", None, VERIFY, ENCRYPT),
        ("MAY", "NONE", VERIFY, NONE),
        ("NONE", "MAY", VERIFY, NONE),
        ("NONE", "MUST", NONE, VERIFY),
        ("MUST", "NONE", NONE, VERIFY),
        ("MUST_NOPEERMATCH", "MUST", NONE, VERIFY),
        ("MUST", "MUST_NOPEERMATCH", NONE, VERIFY),
        ("MAY", "MUST_NOPEERMATCH", VERIFY, ENCRYPT),
    ],
)
def test_site_tables(by_nexthop: str | None, by_host: str | None, otherwise: TlsLevel, expected: TlsLevel | None) -> None:
    entries = {key: text for key, text in (("example.com", by_nexthop), ("mx.example.com", by_host)) if text}
    found = find_in_site_table(Known(entries), "example.com", "mx.example.com", otherwise, pytest.fail)
    assert not isinstance(found, NoPolicy)
    assert (found.entry.level if found is not None else None) is expected


def test_a_site_table_is_asked_once_for_a_name_that_is_both() -> None:
    table = Known({})
    find_in_site_table(table, "MX.example", "mx.example", NONE, pytest.fail)
    assert table.asked == ["MX.example"]


def test_trouble_with_a_site_table() -> None:
    warnings: list[str] = []
    assert find_in_site_table(Known({"b": "trouble"}), "a", "b", NONE, warnings.append) is LOOKUP_PROBLEM
    assert find_in_site_table(Known({"b": "what"}), "a", "b", NONE, warnings.append) is CONFIGURATION_PROBLEM
    assert "unknown TLS policy 'what' for server hostname b" in warnings[-1]
