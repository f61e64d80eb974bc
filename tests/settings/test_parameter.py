from __future__ import annotations

from typing import Any

import pytest

from mailrider.model.request import Transport
from mailrider.settings.kinds import Flag, Seconds, Text
from mailrider.settings.parameter import Section


class One(Section, title="one"):
    smtp_wait = Seconds("5s", "How long.", in_effect=True)
    smtp_name = Text("$smtp_host ${smtp_host} smtp_x", "Which.", mirror="lmtp_title", in_effect=False)
    plain = Flag("yes", "Whether.", in_effect=True)
    smtp_alone = Flag("yes", "Whether.", mirror="", in_effect=True)
    odd = Text("", "Odd.", name="2odd", in_effect=True)


class Other(Section, title="other"):
    transport_limit = Text("", "Each.", per_service=True, in_effect=True)
    smtp_own = Text("a", "Own.", mirror_default="b", in_effect=True)


class Both(One, Other, title="both"):
    def __init__(self) -> None:
        self.asked: list[str] = []

    def resolve(self, parameter: Any) -> Any:
        self.asked.append(parameter.name)
        return parameter.parse(parameter.default)


def test_an_attribute_is_the_typed_value_and_is_found_once() -> None:
    both = Both()
    assert [both.smtp_wait, both.smtp_wait, both.plain] == [5.0, 5.0, True]
    assert both.asked == ["smtp_wait", "plain"]


def test_the_class_attribute_is_the_declaration() -> None:
    assert Both.smtp_wait.doc == "How long."
    assert Both.smtp_wait.kind == "Seconds"
    assert Both.smtp_wait.section == "one"
    assert Both.smtp_own.section == "other"


def test_a_section_knows_what_is_declared_in_it_and_below() -> None:
    assert list(One.declared) == ["smtp_wait", "smtp_name", "plain", "smtp_alone", "odd"]
    assert list(Both.declared) == [*One.declared, *Other.declared]
    assert Section.declared == {}


@pytest.mark.parametrize(
    ("parameter", "names"),
    [
        (One.smtp_wait, ("smtp_wait", "lmtp_wait")),
        (One.smtp_name, ("smtp_name", "lmtp_title")),
        (One.plain, ("plain",)),
        (One.smtp_alone, ("smtp_alone",)),
        (One.odd, ("2odd",)),
    ],
)
def test_the_transport_chooses_the_name(parameter: Any, names: tuple[str, ...]) -> None:
    assert parameter.names == names
    assert parameter.name_for(Transport.SMTP) == names[0]
    assert parameter.name_for(Transport.LMTP) == names[-1]


def test_the_default_of_a_mirror_refers_to_mirrors() -> None:
    assert One.smtp_name.default_of("smtp_name") == "$smtp_host ${smtp_host} smtp_x"
    assert One.smtp_name.default_of("lmtp_title") == "$lmtp_host ${lmtp_host} smtp_x"
    assert Other.smtp_own.default_of("lmtp_own") == "b"


def test_a_family_is_what_follows_the_service() -> None:
    assert Other.transport_limit.family == "_limit"
    assert Other.smtp_own.family == ""
