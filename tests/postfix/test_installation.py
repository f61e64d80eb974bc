"""What is read of an installation's settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailrider.errors import WrongConfiguration
from mailrider.postfix.installation import ANSWER_LIMIT_SECONDS, read_installation, read_release
from mailrider.postfix.queue_file import Hashing
from mailrider.settings import HostFacts, Settings, load_settings


def settings(folder: Path, text: str = "") -> Settings:
    (folder / "main.cf").write_text(text)
    return load_settings(folder, host=HostFacts("host.test"), services=False)


def test_the_defaults(tmp_path: Path) -> None:
    found = read_installation(settings(tmp_path))
    assert (found.mail_owner, found.bounce_service, found.verify_service) == ("postfix", "bounce", "verify")
    assert found.hashing == Hashing(frozenset({"deferred", "defer"}), 1)
    assert found.answer_seconds == ANSWER_LIMIT_SECONDS
    assert found.caches_negative_probes
    assert found.announces


@pytest.mark.parameter("hash_queue_names", "ipc_timeout")
def test_what_was_set(tmp_path: Path) -> None:
    text = (
        "mail_owner = mail\ntrace_service_name = tracer\nhash_queue_names = Active\nhash_queue_depth = 2\n"
        "address_verify_negative_cache = no\nrelay_domains = a.test\nipc_timeout = 5s\n"
    )
    found = read_installation(settings(tmp_path, text), release=(3, 5))
    assert (found.mail_owner, found.trace_service, found.fast_flush_domains) == ("mail", "tracer", "a.test")
    assert found.hashing == Hashing(frozenset({"active"}), 2)
    assert found.answer_seconds == 5
    assert not found.caches_negative_probes
    assert not found.announces


def test_a_depth_that_postfix_does_not_know(tmp_path: Path) -> None:
    for depth in ("0", "4", "deep"):
        with pytest.raises(WrongConfiguration, match="hash_queue_depth"):
            read_installation(settings(tmp_path, f"hash_queue_depth = {depth}\n"))


@pytest.mark.parametrize(
    ("version", "release", "announces"),
    [
        ("3.4.23", (3, 4), False),
        ("3.5.6", (3, 5), False),
        ("3.6.0", (3, 6), True),
        ("3.7.11", (3, 7), True),
        ("3.12-20260821", (3, 12), True),
        ("4.0", (4, 0), True),
        ("", (3, 7), True),
    ],
)
def test_which_release_it_is_and_who_speaks_first(
    tmp_path: Path, version: str, release: tuple[int, int], announces: bool
) -> None:
    assert read_release(version) == release
    assert read_installation(settings(tmp_path), release=release).announces is announces
