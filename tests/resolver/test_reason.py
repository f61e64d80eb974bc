from __future__ import annotations

import pytest

from mailrider.resolver.answer import Verdict
from mailrider.resolver.reason import Failure, refuse_name, tell_failure, tell_malformed


@pytest.mark.parametrize(
    ("failure", "verdict", "words"),
    [
        (Failure.HOST_NOT_FOUND, Verdict.NOT_FOUND, "Host not found"),
        (Failure.NO_DATA, Verdict.NOT_FOUND, "Host found but no data record of requested type"),
        (Failure.TRY_AGAIN, Verdict.SOFT, "Host not found, try again"),
        (Failure.NO_RECOVERY, Verdict.HARD, "Non-recoverable error"),
    ],
)
def test_failures(failure: Failure, verdict: Verdict, words: str) -> None:
    answer = tell_failure(failure, "a.test", "MX")
    assert answer.verdict is verdict
    assert answer.reason == f"Host or domain name not found. Name service error for name=a.test type=MX: {words}"


def test_malformed() -> None:
    answer = tell_malformed(Verdict.SOFT, "a.test", "MX", ("w",))
    assert answer.reason == "Name service error for name=a.test type=MX: Malformed or unexpected name server reply"
    assert answer.warnings == ("w",)


def test_names_that_may_be_asked() -> None:
    assert refuse_name("a.test") is None
    assert refuse_name("*.a.test") is None
    assert refuse_name(".") is None
    assert refuse_name("192.0.2.1") is not None
