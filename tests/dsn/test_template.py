"""bounce_template_file (bounce(5))."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.dsn.template import DELAY, FAILURE, SUCCESS, Templates, expand_lines, parse_templates
from mailrider.errors import WrongConfiguration

FILE = """\
# our own words
failure_template = <<EOF
Charset: utf-8
From: Post Office <postoffice>
Subject: It came back
Postmaster-Subject: One came back

Grüße von $myhostname,
and bye.
EOF

success_template = <<END
Subject: It arrived

Well done.
END
"""


def test_a_template_takes_the_place_of_the_built_in_one() -> None:
    found = parse_templates(FILE, "bounce.cf")
    assert found.warnings == ()
    assert found.delay == DELAY
    failure = found.failure
    assert (failure.charset, failure.sender, failure.subject) == ("utf-8", "Post Office <postoffice>", "It came back")
    assert failure.postmaster_subject == "One came back"
    assert failure.lines == ("Grüße von $myhostname,", "and bye.")
    assert failure.eight_bit
    assert found.success.lines == ("Well done.",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("success_template = <<E\nPostmaster-Subject: x\n\ny\nE\n", "inapplicable"),
        ("failure_template = <<E\nColour: red\n\ny\nE\n", "unknown"),
        ("failure_template = <<E\nSubject:\n\ny\nE\n", "empty"),
        ("failure_template = <<E\nSubject: ä\n\ny\nE\n", "non-ASCII"),
        ("failure_template = <<E\nSubject: x\n\n\nE\n", "missing message text"),
        ("failure_template = <<E\n\nä\nE\n", "8-bit"),
        ("other_template = <<E\nx\nE\n", "unknown template name"),
        ("failure = <<E\nx\nE\n", "unknown template name"),
    ],
)
def test_what_makes_no_sense_is_left_out_with_a_warning(text: str, problem: str) -> None:
    found = parse_templates(text, "bounce.cf")
    assert (found.failure, found.delay, found.success) == (FAILURE, DELAY, SUCCESS)
    assert len(found.warnings) == 1
    assert problem in found.warnings[0]


def test_an_end_that_is_missing_is_told() -> None:
    found = parse_templates("failure_template = <<E\n\nhello\n", "bounce.cf")
    assert 'missing "E" end marker' in found.warnings[0]
    assert found.failure.lines == ("hello", "")


@pytest.mark.parametrize("text", ["hello\n", "failure_template = <<\n", "failure_template = << =\nx\n"])
def test_a_file_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(WrongConfiguration, match=r"bounce\.cf, line 1"):
        parse_templates(text, "bounce.cf")


@given(st.text(alphabet="abE:<=_ \n#$é", max_size=200))
def test_whatever_a_file_says(text: str) -> None:
    try:
        found = parse_templates(text, "bounce.cf")
    except WrongConfiguration:
        return
    assert isinstance(found, Templates)


def expand(*lines: str) -> list[str]:
    from dataclasses import replace

    seconds = {"delay_warning_time": 14_400.0, "maximal_queue_lifetime": 432_000.0}
    return expand_lines(replace(FAILURE, lines=lines), {"myhostname": "mail.example"}.get, seconds.__getitem__)


def test_names_are_filled_in() -> None:
    assert expand("at $myhostname", "plain") == ["at mail.example", "plain"]
    assert expand("$delay_warning_time_minutes $delay_warning_time_hours $delay_warning_time_days") == ["240 4 0"]
    assert expand("${maximal_queue_lifetime_days} days") == ["5 days"]


@pytest.mark.parametrize("line", ["$nobody", "$delay_warning_time_years"])
def test_unknown_names_are_refused(line: str) -> None:
    with pytest.raises(WrongConfiguration, match="unknown"):
        expand(line)
