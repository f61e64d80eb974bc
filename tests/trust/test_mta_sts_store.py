"""Policies that outlive the process, and a folder that anybody may have written into."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mailrider.trust.mta_sts import StsPolicy, parse_policy
from mailrider.trust.mta_sts_store import FILE_LIMIT_OCTETS, KeptPolicy, PolicyStore

TEXT = "version: STSv1\nmode: enforce\nmx: mx.{}\nmax_age: 1000\n"
NOW = 1_700_000_000.0


def policy_of(domain: str, fetched: float = NOW, identity: str = "one") -> KeptPolicy:
    text = TEXT.format(domain)
    policy = parse_policy(text.encode())
    assert isinstance(policy, StsPolicy)
    return KeptPolicy(domain, identity, policy, text, fetched)


def store_at(folder: Path | str, limit: int = 100) -> tuple[PolicyStore, list[str]]:
    warnings: list[str] = []
    return PolicyStore(str(folder), limit, warnings.append), warnings


def test_a_policy_survives_the_process(tmp_path: Path) -> None:
    store_at(tmp_path / "sts")[0].keep(policy_of("a.test"))
    later, warnings = store_at(tmp_path / "sts")
    assert later.find("a.test", NOW + 999) == policy_of("a.test")
    assert later.find("a.test", NOW + 1000) is None
    assert later.find("b.test", NOW) is None
    assert not warnings
    assert (tmp_path / "sts").stat().st_mode & 0o777 == 0o700


def test_a_new_policy_replaces_the_old_one_as_a_whole(tmp_path: Path) -> None:
    store = store_at(tmp_path)[0]
    store.keep(policy_of("a.test"))
    store.keep(policy_of("a.test", NOW + 10, "two"))
    found = store_at(tmp_path)[0].find("a.test", NOW + 20)
    assert found is not None
    assert found.id == "two"
    assert os.listdir(tmp_path) == ["a.test.json"]


def test_what_another_process_has_fetched_is_found_when_ours_has_expired(tmp_path: Path) -> None:
    ours, theirs = store_at(tmp_path)[0], store_at(tmp_path)[0]
    ours.keep(policy_of("a.test"))
    theirs.keep(policy_of("a.test", NOW + 900, "two"))
    found = ours.find("a.test", NOW + 1500)
    assert found is not None
    assert found.id == "two"


def test_in_memory_only() -> None:
    store, warnings = store_at("")
    store.keep(policy_of("a.test"))
    assert store.find("a.test", NOW) is not None
    assert not warnings


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store, warnings = store_at(tmp_path / "file" / "sts")
    store.keep(policy_of("a.test"))
    store.keep(policy_of("b.test"))
    assert store.find("a.test", NOW) is not None
    assert len(warnings) == 1
    assert "cannot be kept" in warnings[0]


def test_the_folder_and_the_memory_have_a_bound(tmp_path: Path) -> None:
    store = store_at(tmp_path, limit=10)[0]
    for number in range(100):
        store.keep(policy_of(f"d{number}.test"))
        os.utime(tmp_path / f"d{number}.test.json", (number, number))
        assert len(os.listdir(tmp_path)) <= 10
    assert store.find("d99.test", NOW) is not None
    assert store.find("d0.test", NOW) is None


def test_a_long_domain_has_a_file_too(tmp_path: Path) -> None:
    domain = ".".join(["a" * 60] * 4) + ".test"
    store_at(tmp_path)[0].keep(policy_of(domain))
    assert store_at(tmp_path)[0].find(domain, NOW) == policy_of(domain)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b"x" * (FILE_LIMIT_OCTETS + 1),
        json.dumps({"domain": "a.test", "id": "x", "fetched": "soon", "policy": TEXT}).encode(),
        json.dumps({"domain": "a.test", "id": "x", "fetched": True, "policy": TEXT}).encode(),
        json.dumps({"domain": "a.test", "id": "x", "fetched": -1, "policy": TEXT.format("a.test")}).encode(),
        b'{"domain": "a.test", "id": "x", "fetched": NaN, "policy": "version: STSv1\\nmode: none\\nmax_age: 9\\n"}',
        json.dumps({"domain": "a.test", "id": 1, "fetched": NOW, "policy": TEXT.format("a.test")}).encode(),
        json.dumps({"domain": "a.test", "id": "x", "fetched": NOW, "policy": "hello"}).encode(),
        json.dumps({"domain": "a.test", "id": "x", "fetched": NOW, "policy": "\ud800"}).encode(),
        json.dumps({"domain": "b.test", "id": "x", "fetched": NOW, "policy": TEXT.format("a.test")}).encode(),
    ],
)
def test_a_file_that_makes_no_sense_counts_as_none(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "a.test.json").write_bytes(octets)
    assert store_at(tmp_path)[0].find("a.test", NOW) is None


def test_a_policy_from_the_future_is_one_of_today(tmp_path: Path) -> None:
    store_at(tmp_path)[0].keep(policy_of("a.test", NOW + 5_000_000))
    found = store_at(tmp_path)[0].find("a.test", NOW)
    assert found is not None
    assert found.expires_seconds == NOW + 1000


def test_old_policies_are_listed_before_they_expire(tmp_path: Path) -> None:
    store = store_at(tmp_path)[0]
    store.keep(policy_of("old.test", NOW - 600))
    store.keep(policy_of("new.test", NOW - 400))
    store.keep(policy_of("dead.test", NOW - 1000))
    for looked_through in (store, store_at(tmp_path)[0]):
        found = list(looked_through.look_through(NOW))
        assert [name for name, _ in found] == ["dead.test", "new.test", "old.test"]
        assert [kept.domain for _, kept in found if kept is not None] == ["old.test"]


def test_looking_through_goes_on_where_it_was_left_and_round(tmp_path: Path) -> None:
    store = store_at(tmp_path)[0]
    for name in "abc":
        store.keep(policy_of(f"{name}.test", NOW - 600))
    for after, order in {"": "abc", "a.test": "bca", "b": "bca", "c.test": "abc", "z": "abc"}.items():
        assert [name[0] for name, _ in store.look_through(NOW, after)] == list(order)


def test_what_another_process_has_fetched_is_not_old(tmp_path: Path) -> None:
    store = store_at(tmp_path)[0]
    store.keep(policy_of("a.test", NOW - 600))
    store_at(tmp_path)[0].keep(policy_of("a.test", NOW - 10))
    assert list(store.look_through(NOW)) == [("a.test", None)]


def test_without_a_folder_memory_is_looked_through() -> None:
    store = PolicyStore("", 10, lambda text: None)
    store.keep(policy_of("a.test", NOW - 600))
    assert [(name, kept is not None) for name, kept in store.look_through(NOW)] == [("a.test", True)]
