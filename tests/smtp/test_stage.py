from __future__ import annotations

from mailrider.smtp import stage as stage_module
from mailrider.smtp.stage import BDAT, CHUNK, STAGES, Stage


def test_every_stage_is_in_the_table_once() -> None:
    named = [value for value in vars(stage_module).values() if isinstance(value, Stage)]
    assert set(named) == set(STAGES)
    assert len(STAGES) == len(named)


def test_stages_are_told_apart_even_where_their_words_are_the_same() -> None:
    assert BDAT.reply_to == CHUNK.reply_to
    assert BDAT != CHUNK
    assert len(dict.fromkeys(STAGES, 1.0)) == len(STAGES)


def test_every_stage_has_a_time_limit_and_words() -> None:
    for stage in STAGES:
        assert stage.timeout.startswith("smtp_")
        assert stage.timeout.endswith("_timeout")
        assert stage.doing.startswith(("receiving", "performing", "sending"))


def test_what_is_sent_twice_is_said_where_that_can_happen_only() -> None:
    assert [stage.name for stage in STAGES if "more than once" in stage.doing] == ["DOT", "BDAT"]
