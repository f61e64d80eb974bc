"""What is written down about reports."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.observe.tls_report_marks import Marks, Offer

DAY = "2026-03-01"
LONG = ".".join(["a" * 60] * 4) + ".test"


@pytest.mark.parametrize("domain", ["dest.test", LONG])
def test_what_is_written_is_read(tmp_path: Path, domain: str) -> None:
    marks = Marks(tmp_path)
    assert not marks.is_sent(DAY, domain)
    assert marks.read_offer(DAY, domain) is None
    offer = Offer(1.5, 2, 3.5, "QID")
    marks.write_offer(DAY, domain, offer)
    assert Marks(tmp_path).read_offer(DAY, domain) == offer
    marks.mark_sent(DAY, domain, "why")
    marks.clear_offer(DAY, domain)
    marks.clear_offer(DAY, domain)
    assert Marks(tmp_path).is_sent(DAY, domain)
    assert marks.read_offer(DAY, domain) is None
    assert not marks.is_sent(DAY, "other.test")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["why\n"]


def test_only_one_holds_the_folder(tmp_path: Path) -> None:
    with Marks(tmp_path).hold() as first:
        assert first
        with Marks(tmp_path).hold() as second:
            assert not second
    with Marks(tmp_path).hold() as third:
        assert third


def test_a_disk_that_does_not_take_it_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("mailrider.observe.tls_report_marks.os.fsync", fail)
    with pytest.raises(OSError):
        Marks(tmp_path).mark_sent(DAY, "dest.test", "why")
    assert list(tmp_path.iterdir()) == []


@given(st.binary(max_size=60))
def test_a_file_that_makes_no_sense_is_none(tmp_path_factory: pytest.TempPathFactory, octets: bytes) -> None:
    folder = tmp_path_factory.mktemp("marks")
    (folder / f"{DAY}.dest.test.offered").write_bytes(octets)
    found = Marks(folder).read_offer(DAY, "dest.test")
    assert found is None or isinstance(found, Offer)
