"""What a batch file and a command line may hold, and one clear sentence for everything else."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.cli import parcels as parcels_module
from mailrider.cli.parcels import (
    Batch,
    Parcel,
    parse_client_arguments,
    parse_recipient_argument,
    parse_request,
    read_batch,
)
from mailrider.errors import MissingInput, WrongUsage
from mailrider.model.request import BodyType, Notify, Recipient, Transport

SENTENCE_LIMIT_CHARACTERS = 400
"""A longer sentence is none."""


@pytest.fixture
def request_(message: str) -> dict[str, Any]:
    """A request with nothing but what it needs."""
    return {
        "nexthop": "example.test", "sender": "a@example.test", "recipients": ["b@example.test"], "message_file": message,
    }  # fmt: skip


def refuse(request: Any) -> str:
    """The sentence about a request that makes no sense."""
    with pytest.raises((WrongUsage, MissingInput)) as caught:
        parse_request(request)
    sentence = str(caught.value)
    assert sentence
    assert len(sentence) <= SENTENCE_LIMIT_CHARACTERS
    return sentence


def test_a_request_with_nothing_but_what_it_needs(request_: dict[str, Any]) -> None:
    parcel = parse_request(request_)
    assert parcel.envelope.sender == "a@example.test"
    assert parcel.envelope.recipients == (Recipient("b@example.test"),)
    assert parcel == Parcel(
        parcel.envelope, ("b@example.test",), "example.test", Transport.SMTP, "smtp", request_["message_file"]
    )


def test_a_request_with_everything(request_: dict[str, Any]) -> None:
    parcel = parse_request(
        request_
        | {
            "transport": "LMTP", "service": "dovecot", "queue_id": "4bQz", "envid": "an id", "ret": "HDRS", "body": "8bitmime",
            "smtputf8": True, "verify": True, "age": 3600, "pause_before": 1.5, "xforward": {"name": "x", "addr": "192.0.2.1"},
            "recipients": [
                {"address": '"john doe"@example.test', "notify": ["success", "DELAY"], "orcpt": "rfc822;j@example.test"},
                {"address": "c@example.test", "notify": ["never"]},
                {"address": "d@example.test", "notify": [], "orcpt": None},
            ],
        }
    )  # fmt: skip
    assert parcel.transport is Transport.LMTP
    assert (parcel.service, parcel.queue_id) == ("dovecot", "4bQz")
    assert (parcel.probe, parcel.age_seconds, parcel.pause_seconds) == (True, 3600.0, 1.5)
    assert parcel.client == {"name": "x", "addr": "192.0.2.1"}
    envelope = parcel.envelope
    assert (envelope.envid, envelope.ret, envelope.body, envelope.smtputf8) == ("an id", "hdrs", BodyType.EIGHT_BIT, True)
    assert envelope.recipients == (
        Recipient("john doe@example.test", orcpt="rfc822;j@example.test", notify=Notify.SUCCESS | Notify.DELAY),
        Recipient("c@example.test", notify=Notify.NEVER),
        Recipient("d@example.test"),
    )
    assert parcel.given == ('"john doe"@example.test', "c@example.test", "d@example.test")


def test_what_is_null_is_not_given(request_: dict[str, Any]) -> None:
    nulls = dict.fromkeys(
        ("transport", "service", "queue_id", "envid", "ret", "body", "smtputf8", "requiretls", "verify", "age", "pause_before",
         "xforward"), None,
    )  # fmt: skip
    assert parse_request(request_ | nulls) == parse_request(request_)


def test_the_null_sender(request_: dict[str, Any]) -> None:
    assert parse_request(request_ | {"sender": ""}).envelope.sender == ""
    assert parse_request(request_ | {"sender": "<>"}).envelope.sender == ""


def test_octets_that_are_no_text_stay_what_they_are(request_: dict[str, Any]) -> None:
    """As they come from a command line (PEP 383)."""
    assert parse_request(request_ | {"sender": "\udcff@example.test"}).envelope.sender == "\udcff@example.test"


def test_standard_input_need_not_be_there_yet(request_: dict[str, Any]) -> None:
    assert parse_request(request_ | {"message_file": "-"}).message_file == "-"


@pytest.mark.parametrize("key", ["nexthop", "sender", "recipients", "message_file"])
def test_what_is_needed_is_missed(request_: dict[str, Any], key: str) -> None:
    for missing in ({name: value for name, value in request_.items() if name != key}, request_ | {key: None}):
        sentence = refuse(missing)
        assert sentence == (f"{key} is missing" if key != "recipients" else "no recipient is given")


@pytest.mark.parametrize("request_", [None, 5, "text", [], [["nexthop", "x"]], True], indirect=False)
def test_a_request_is_an_object(request_: object) -> None:
    assert refuse(request_) == "expected an object"


LONG = "x" * 1_000_000
NESTED: Any = []
for _ in range(400):
    NESTED = [NESTED]


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("colour", "green", "unknown key 'colour'"),
        ("Nexthop", "x", "unknown key 'Nexthop'"),
        ("nexthop", 5, "nexthop is 5, expected a text"),
        ("nexthop", ["a"], "nexthop is ['a'], expected a text"),
        ("nexthop", "a\r\nb", "nexthop 'a\\r\\nb' contains a control character"),
        ("nexthop", "\x00", "contains a control character"),
        ("nexthop", "\ud800.test", "nexthop '\\ud800.test' contains half a character"),
        ("sender", {}, "sender is {}, expected a text"),
        ("sender", "a\n@b", "control character"),
        ("sender", "a\ud800@b", "half a character"),
        ("sender", '"a@b', "closing quote"),
        ("sender", LONG, "longer than"),
        ("recipients", [], "no recipient is given"),
        ("recipients", "b@example.test", "recipients is 'b@example.test', expected a list"),
        ("recipients", {"address": "b@example.test"}, "expected a list"),
        ("recipients", [5], "recipient 5 is neither a text nor an object"),
        ("recipients", [None], "recipient None is neither a text nor an object"),
        ("recipients", [NESTED], "is neither a text nor an object"),
        ("recipients", [""], "a recipient is empty"),
        ("recipients", ["<>"], "a recipient is empty"),
        ("recipients", ["b\x7f@example.test"], "control character"),
        ("recipients", [{}], "address is missing"),
        ("recipients", [{"address": 1}], "address is 1, expected a text"),
        ("recipients", [{"address": "b@c", "color": 1}], "recipient b@c: unknown key 'color'"),
        ("recipients", [{"address": "b@c", "notify": 5}], "notify is 5, expected a list"),
        ("recipients", [{"address": "b@c", "notify": "never"}], "notify is 'never', expected a list"),
        ("recipients", [{"address": "b@c", "notify": {"never": 1}}], "expected a list"),
        ("recipients", [{"address": "b@c", "notify": ["sometimes"]}], "notify=sometimes, expected never, or a list"),
        ("recipients", [{"address": "b@c", "notify": [LONG]}], "expected never, or a list"),
        ("recipients", [{"address": "b@c", "notify": [5]}], "notify=5"),
        ("recipients", [{"address": "b@c", "notify": ["never", "delay"]}], "notify=never goes with nothing else"),
        ("recipients", [{"address": "b@c", "orcpt": "b@c"}], "orcpt=b@c, expected type;address"),
        ("recipients", [{"address": "b@c", "orcpt": "rfc822;a\r\nb"}], "control character"),
        ("recipients", [{"address": "b@c", "orcpt": 5}], "orcpt is 5, expected a text"),
        ("transport", "uucp", "transport is 'uucp', expected smtp or lmtp"),
        ("transport", 5, "transport is 5, expected smtp or lmtp"),
        ("transport", ["smtp"], "expected smtp or lmtp"),
        ("ret", "half", "ret is 'half', expected full or hdrs"),
        ("body", "binarymime", "body is 'binarymime', expected 7bit or 8bitmime"),
        ("envid", "a\tb", "control character"),
        ("envid", "a\ud800", "half a character"),
        ("envid", 7, "envid is 7"),
        ("queue_id", "Q\x1b[31m", "control character"),
        ("service", "a\nb", "control character"),
        ("smtputf8", "yes", "smtputf8 is 'yes', expected true or false"),
        ("smtputf8", 1, "smtputf8 is 1, expected true or false"),
        ("verify", [], "expected true or false"),
        ("requiretls", "no", "requiretls"),
        ("age", "60", "age is '60', expected a number of seconds"),
        ("age", True, "age is True, expected a number of seconds"),
        ("age", -1, "age is -1"),
        ("age", float("nan"), "age is nan"),
        ("age", float("inf"), "age is inf"),
        ("age", 10**4000, "expected a number of seconds"),
        ("age", 1e300, "age is 1e+300"),
        ("pause_before", -0.1, "pause_before is -0.1"),
        ("pause_before", [], "expected a number of seconds"),
        ("xforward", 5, "xforward must be an object of texts"),
        ("xforward", ["name=x"], "xforward must be an object of texts"),
        ("xforward", {"name": 5}, "xforward must be an object of texts"),
        ("xforward", {"nome": "x"}, "xforward attribute 'nome', expected one of addr, helo, ident, name, port, proto, source"),
        ("xforward", {"name": "\ud800"}, "half a character"),
        ("message_file", 5, "message_file is 5, expected a text"),
        ("message_file", "a\0b", "control character"),
        ("message_file", "\ud800", "half a character"),
        ("message_file", "/nowhere/at/all", "cannot open message file /nowhere/at/all: No such file or directory"),
        ("message_file", "/", "cannot open message file /: it is a directory"),
        ("message_file", "x" * 5000, "File name too long"),
        ("message_file", "/etc/passwd/x", "Not a directory"),
    ],
)
def test_what_makes_no_sense_is_told_in_a_sentence(request_: dict[str, Any], key: str, value: object, words: str) -> None:
    assert words in refuse(request_ | {key: value})


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.sampled_from(["-", "smtp", "never", "a@b"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(), st.sampled_from(["address", "notify", "orcpt", "name"])), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.one_of(st.sampled_from(sorted(parcels_module._REQUEST_KEYS)), st.text()), JSON, max_size=8))
def test_whatever_a_request_is_it_becomes_a_parcel_or_a_sentence(request: dict[str, Any]) -> None:
    complete = {"nexthop": "x", "sender": "", "recipients": ["b@c"], "message_file": "-"}
    for candidate in (request, complete | request):
        with contextlib.suppress(WrongUsage, MissingInput):
            parcel = parse_request(candidate)
            assert len(parcel.given) == len(parcel.envelope.recipients) > 0


# Batch files


def write(path: Path, text: str | bytes) -> str:
    path.write_bytes(text.encode("utf-8") if isinstance(text, str) else text)
    return str(path)


def test_a_batch(tmp_path: Path, request_: dict[str, Any]) -> None:
    requests = [request_, request_ | {"sender": ""}]
    for mode, sequential in (("sequential", True), ("burst", False)):
        path = write(tmp_path / "batch", json.dumps({"mode": mode, "requests": requests}))
        assert read_batch(path) == Batch(sequential, tuple(parse_request(request) for request in requests))
    assert read_batch(write(tmp_path / "batch", json.dumps({"requests": requests}))).sequential
    assert read_batch(write(tmp_path / "batch", '{"requests": []}')).parcels == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not JSON"),
        ("hello", "is not JSON"),
        ('{"requests": [}', "is not JSON"),
        (b"\xff\xfe\xfd", "is not JSON"),
        (b'{"requests": ["\xff"]}', "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('{"requests": [' + "9" * 5000 + "]}", "is not JSON"),
        ("[]", "must hold"),
        ("5", "must hold"),
        ("null", "must hold"),
        ("NaN", "must hold"),
        ("{}", "must hold"),
        ('{"mode": "burst"}', "must hold"),
        ('{"requests": {}}', "must hold"),
        ('{"mode": "fast", "requests": []}', "mode is 'fast', expected sequential or burst"),
        ('{"mode": 5, "requests": []}', "mode is 5, expected sequential or burst"),
        ('{"mode": {}, "requests": []}', "mode is {}"),
        ('{"mode": null, "requests": []}', "mode is None"),
        ('{"modus": "burst", "requests": []}', "unknown key 'modus'"),
        ('{"requests": [], "requests": []}', "the key 'requests' is there twice"),
        ('{"requests": [{"sender": "a", "sender": "b"}]}', "the key 'sender' is there twice"),
        ("[" * 100_000, "it is nested too deeply"),
        ('{"requests": ' + "9" * 5000 + "}", "a number in it is too long"),
        ('{"requests": [5]}', "request 1: expected an object"),
        ('{"requests": [{}]}', "request 1: "),
        (
            '{"requests": [{"sender": "", "nexthop": "x", "recipients": ["b@c"], "message_file": "/nowhere"}]}',
            "request 1: cannot",
        ),
        ('{"requests": [{"age": Infinity}]}', "request 1: "),
    ],
)  # fmt: skip
def test_a_batch_that_makes_no_sense_is_told_in_a_sentence(tmp_path: Path, text: str | bytes, words: str) -> None:
    path = write(tmp_path / "batch", text)
    with pytest.raises((WrongUsage, MissingInput)) as caught:
        read_batch(path)
    sentence = str(caught.value)
    assert sentence.startswith(f"batch file {path}")
    assert words in sentence
    assert len(sentence) < SENTENCE_LIMIT_CHARACTERS + len(path)


def test_the_request_that_is_wrong_is_named_by_its_number(tmp_path: Path, request_: dict[str, Any]) -> None:
    requests = [request_, request_, request_ | {"age": "old"}]
    path = write(tmp_path / "batch", json.dumps({"requests": requests}))
    with pytest.raises(WrongUsage, match="request 3: age is 'old', expected a number of seconds"):
        read_batch(path)
    requests[2] = request_ | {"message_file": "/nowhere"}
    path = write(tmp_path / "batch", json.dumps({"requests": requests}))
    with pytest.raises(MissingInput, match="request 3: cannot open message file /nowhere"):
        read_batch(path)


def test_standard_input_is_one_message(tmp_path: Path, request_: dict[str, Any]) -> None:
    """The second one to read it would send an empty message."""
    requests = [request_ | {"message_file": "-"}, request_, request_ | {"message_file": "-"}]
    assert len(read_batch(write(tmp_path / "batch", json.dumps({"requests": requests[:2]}))).parcels) == 2
    path = write(tmp_path / "batch", json.dumps({"requests": requests}))
    with pytest.raises(WrongUsage, match="request 3: standard input is the message of another request already"):
        read_batch(path)


@pytest.mark.parametrize(("name", "words"), [("nothing", "No such file or directory"), (".", "Is a directory")])
def test_a_batch_file_that_cannot_be_read(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(MissingInput, match=words):
        read_batch(str(tmp_path / name))


def test_a_batch_file_name_that_is_none() -> None:
    with pytest.raises(WrongUsage, match="batch file"):
        read_batch("a\0b")


def test_a_batch_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcels_module, "BATCH_LIMIT_OCTETS", 10)
    path = write(tmp_path / "batch", '{"requests": []}')
    with pytest.raises(WrongUsage, match="larger than 10 octets"):
        read_batch(path)


# The command line


@pytest.mark.parametrize(
    ("argument", "recipient"),
    [
        ("b@c", {"address": "b@c"}),
        ("b@c;notify=never", {"address": "b@c", "notify": ["never"]}),
        ("b@c;NOTIFY=success,failure", {"address": "b@c", "notify": ["success", "failure"]}),
        ("b@c;orcpt=rfc822;x@y", {"address": "b@c", "orcpt": "rfc822;x@y"}),
        (
            "b@c;notify=delay;orcpt=rfc822;a;notify=never",
            {"address": "b@c", "notify": ["delay"], "orcpt": "rfc822;a;notify=never"},
        ),
        ('"b;notify=never"@c', {"address": '"b;notify=never"@c'}),
        ('"b\\";notify=x"@c;notify=delay', {"address": '"b\\";notify=x"@c', "notify": ["delay"]}),
        ('"b;notify=never', {"address": '"b', "notify": ["never"]}),
        ('"b;other=x"@c', {"address": '"b;other=x"@c'}),
        ("", {"address": ""}),
        (";notify=", {"address": "", "notify": [""]}),
    ],
)
def test_a_recipient_argument(argument: str, recipient: dict[str, Any]) -> None:
    assert parse_recipient_argument(argument) == recipient


@pytest.mark.parametrize("argument", ["b@c;other=x", "b@c;notifiy=never", "b@c; notify=never", "b@c;;notify=never", "b@c;x"])
def test_a_misspelt_wish_does_not_become_part_of_the_address(argument: str) -> None:
    with pytest.raises(WrongUsage, match=r"expected notify=\.\.\. or orcpt="):
        parse_recipient_argument(argument)


@given(st.text())
def test_any_recipient_argument_can_be_taken_apart(argument: str) -> None:
    try:
        recipient = parse_recipient_argument(argument)
    except WrongUsage:
        return
    assert argument.startswith(recipient["address"])
    assert set(recipient) <= {"address", "notify", "orcpt"}


def test_client_arguments() -> None:
    assert parse_client_arguments(["NAME=x=y", "helo="]) == {"name": "x=y", "helo": ""}
    with pytest.raises(WrongUsage, match="--xforward name: expected NAME=VALUE"):
        parse_client_arguments(["name"])
    with pytest.raises(WrongUsage, match="--xforward Name=b: name is given twice"):
        parse_client_arguments(["name=a", "Name=b"])
