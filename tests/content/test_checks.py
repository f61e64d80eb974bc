from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.content.checks import NO_CHECKS, Check, Checks, Verdict
from mailrider.content.fields import Place
from mailrider.errors import TableTrouble

FIELD = b"Subject: hello\n world"


class Log:
    def __init__(self) -> None:
        self.reports: list[str] = []
        self.warnings: list[str] = []

    def checks(self, answer: str | None) -> Checks:
        """All tables give the same answer to everything."""
        headers = {place: Check(lambda key: answer, "smtp_header_checks") for place in Place}
        return Checks(headers, Check(lambda key: answer, "smtp_body_checks"), self.reports.append, self.warnings.append)


def judge_field(answer: str | None, field: bytes = FIELD) -> tuple[Verdict, Log]:
    log = Log()
    return log.checks(answer).judge_field(Place.PRIMARY, b"subject", field), log


def judge_record(answer: str | None, text: bytes = b"text") -> tuple[Verdict, Log]:
    log = Log()
    return log.checks(answer).judge_record(text), log


@pytest.mark.parametrize("answer", [None, "DUNNO", "OK", "ok and more", "Dunno\tx"])
def test_nothing_happens(answer: str | None) -> None:
    verdict, log = judge_field(answer)
    assert verdict == Verdict(FIELD)
    assert log.reports == log.warnings == []


@pytest.mark.parametrize(
    ("answer", "verdict", "report"),
    [
        ("WARN", Verdict(FIELD), "warning: header Subject: hello\n world"),
        ("warn look here", Verdict(FIELD), "warning: header Subject: hello\n world: look here"),
        ("INFO  noted", Verdict(FIELD), "info: header Subject: hello\n world: noted"),
        ("STRIP gone", Verdict(None), "strip: header Subject: hello\n world: gone"),
        ("REPLACE X: y", Verdict(b"X: y"), "replace: header Subject: hello\n world: X: y"),
        ("PREPEND X: y", Verdict(FIELD, b"X: y"), "prepend: header Subject: hello\n world: X: y"),
    ],
)
def test_actions_that_are_told_of(answer: str, verdict: Verdict, report: str) -> None:
    given_verdict, log = judge_field(answer)
    assert given_verdict == verdict
    assert log.reports == [report]
    assert log.warnings == []


def test_ignore_is_silent() -> None:
    verdict, log = judge_field("IGNORE whatever")
    assert verdict == Verdict(None)
    assert log.reports == log.warnings == []


@pytest.mark.parametrize(
    "answer", ["REJECT no", "DISCARD", "HOLD", "FILTER x:y", "REDIRECT a@b", "BCC a@b", "nonsense", " WARN", "REPLACE\n X: y"]
)
def test_what_a_client_cannot_do_is_warned_of(answer: str) -> None:
    verdict, log = judge_field(answer)
    assert verdict == Verdict(FIELD)
    assert log.warnings == [f"unsupported command in smtp_header_checks map: {answer}"]


def test_letters_that_become_others_in_upper_case_make_no_action() -> None:
    _, log = judge_field("\u0131gnore")
    assert len(log.warnings) == 1


@pytest.mark.parametrize("action", ["REPLACE", "PREPEND"])
def test_a_text_must_be_there_and_be_a_field(action: str) -> None:
    assert judge_field(action)[1].warnings == [f"{action} action without text in smtp_header_checks map"]
    verdict, log = judge_field(f"{action} no field")
    assert verdict == Verdict(FIELD)
    assert log.warnings == [f'bad {action} header text "no field" in smtp_header_checks map -- need "headername: headervalue"']


def test_a_body_may_get_any_text() -> None:
    verdict, log = judge_record("REPLACE no field")
    assert verdict == Verdict(b"no field")
    assert log.reports == ["replace: body text: no field"]
    assert judge_record("REPLACE")[1].warnings == ["REPLACE action without text in smtp_body_checks map"]


def test_only_the_beginning_is_told() -> None:
    assert judge_field("WARN", b"X: " + b"y" * 100)[1].reports == ["warning: header X: " + "y" * 57]


def test_a_table_does_not_see_what_is_behind_a_nul() -> None:
    keys: list[str] = []
    checks = Checks({}, Check(keys.append, "smtp_body_checks"), keys.append, keys.append)  # type: ignore[arg-type]
    assert checks.judge_record(b"a\0b") == Verdict(b"a\0b")
    assert checks.judge_record(b"\0b") == Verdict(b"\0b")
    assert checks.judge_record(b"") == Verdict(b"")
    assert keys == ["a"]


def test_octets_that_are_no_text_come_back_as_they_were() -> None:
    checks = Checks({}, Check(lambda key: f"REPLACE {key}!", "smtp_body_checks"), [].append, [].append)
    assert checks.judge_record(b"gr\xfcn \xc3\xbc") == Verdict(b"gr\xfcn \xc3\xbc!")


@pytest.mark.parametrize(
    ("argument", "text"),
    [("a: b\nc", b"a: b\nc"), ("a: b\r\nc", b"a: b\nc"), ("a: b\rc", b"a: b c"), ("a: b\0c", b"a: bc"), ("a: b\n", b"a: b")],
)
def test_no_table_brings_a_bare_cr_or_a_nul(argument: str, text: bytes) -> None:
    assert judge_field(f"REPLACE {argument}")[0] == Verdict(text)
    assert judge_field(f"PREPEND {argument}")[0] == Verdict(FIELD, text)


def test_an_empty_answer_is_trouble() -> None:
    with pytest.raises(TableTrouble, match="smtp_header_checks"):
        judge_field("")


@pytest.mark.parametrize(
    ("place", "name", "table"),
    [
        (Place.PRIMARY, b"subject", "primary"),
        (Place.PRIMARY, b"content-type", "mime"),
        (Place.PRIMARY, b"mime-version", "mime"),
        (Place.PRIMARY, b"", "primary"),
        (Place.PART, b"subject", "mime"),
        (Place.NESTED, b"subject", "nested"),
        (Place.NESTED, b"content-id", "mime"),
        (Place.NESTED, b"content-length", "nested"),
    ],
)
def test_which_table_is_asked(place: Place, name: bytes, table: str) -> None:
    asked: list[str] = []

    def make(title: str) -> Check:
        def find(key: str) -> None:
            asked.append(title)

        return Check(find, title)

    tables = {Place.PRIMARY: make("primary"), Place.PART: make("mime"), Place.NESTED: make("nested")}
    Checks(tables, None, [].append, [].append).judge_field(place, name, FIELD)
    assert asked == [table]


def test_a_class_without_a_table_is_not_checked() -> None:
    checks = Checks({Place.NESTED: Check(lambda key: "IGNORE", "x")}, None, [].append, [].append)
    assert checks.judge_field(Place.PRIMARY, b"subject", FIELD) == Verdict(FIELD)
    assert NO_CHECKS.judge_record(b"x") == Verdict(b"x")
    assert not NO_CHECKS.has_headers
    assert not NO_CHECKS.has_body


@given(st.text(max_size=40), st.binary(max_size=40))
def test_any_answer_to_any_octets(answer: str, text: bytes) -> None:
    for verdict in (judge_field(answer or None, text)[0], judge_record(answer or None, text)[0]):
        for made in (verdict.before, verdict.text):
            if made is not None and made is not text:
                assert not set(made) & set(b"\r\0")
