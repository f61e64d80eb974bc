"""A fixed sample of what `python -m tests.differential_mime` does at length."""

from __future__ import annotations

import pytest
from tests.differential_mime.campaign import Campaign, fold_at_octets, unstuff
from tests.differential_mime.messages import MessageMaker
from tests.differential_mime.postfix import why_not

SAMPLE = range(60)
RECORD_LIMIT = 512
"""The least `line_length_limit` that Postfix takes: long lines are frequent then."""


@pytest.mark.skipif(bool(why_not()), reason=why_not() or "runs here")
def test_mailrider_sends_what_a_real_smtp8_sends() -> None:
    with Campaign(RECORD_LIMIT) as campaign:
        assert list(campaign.run(SAMPLE)) == []


def test_the_same_seed_makes_the_same_message() -> None:
    assert MessageMaker(7).make() == MessageMaker(7).make()
    assert MessageMaker(7).make() != MessageMaker(8).make()


def test_folding_without_mercy() -> None:
    assert fold_at_octets(b"..abcdefg\r\nabcd\r\n", 4) == b"..abc\r\n def\r\n g\r\nabcd\r\n"
    assert unstuff(b"..a\r\nb\r\n..\r\n") == b".a\r\nb\r\n.\r\n"
