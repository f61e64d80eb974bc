from __future__ import annotations

import pytest

from mailrider.tables.opening import open_table
from mailrider.tables.table import fold_key, takes_partial_keys


@pytest.mark.parametrize(
    ("title", "partial"),
    [
        ("inline:{a=b}", True),
        ("static:x", True),
        ("regexp:{{/x/ y}}", False),
        ("pcre:{{/x/ y}}", False),
        ("cidr:{{192.0.2.1 y}}", False),
    ],
)
def test_only_tables_of_patterns_want_whole_keys(title: str, partial: bool) -> None:
    assert takes_partial_keys(open_table(title)) is partial


@pytest.mark.parametrize(("key", "folded"), [("A.Example", "a.example"), ("STRASSE", "strasse"), ("É", "é"), ("ß", "ss")])
def test_keys_fold_in_any_script(key: str, folded: str) -> None:
    assert fold_key(key) == folded
