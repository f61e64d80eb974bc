"""With a library of our own in the place of `gssapi`, which needs a realm to do anything."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from mailrider.sasl.kerberos import Gssapi
from mailrider.sasl.mechanism import GENERIC_FAILURE, Identity
from mailrider.sasl.secret import Secret


class Context:
    """Two tokens each way; wraps by putting a letter in front."""

    def __init__(self, **terms: Any) -> None:
        self.terms = terms
        self.complete = False
        self.tokens = [b"token 1", b"token 2"]

    def step(self, token: bytes | None = None) -> bytes | None:
        if token == b"bad":
            raise ValueError("bad token")
        answer = self.tokens.pop(0) if self.tokens else None
        self.complete = not self.tokens
        return answer

    def unwrap(self, octets: bytes) -> Any:
        if not octets.startswith(b"W"):
            raise ValueError("not wrapped")
        return SimpleNamespace(message=octets[1:])

    def wrap(self, octets: bytes, encrypt: bool) -> Any:
        assert not encrypt
        return SimpleNamespace(message=b"W" + octets)


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    fake: Any = ModuleType("gssapi")
    fake.Name = lambda text, kind: text
    fake.NameType = SimpleNamespace(hostbased_service=1)
    fake.MechType = SimpleNamespace(kerberos="krb5")
    fake.RequirementFlag = SimpleNamespace(mutual_authentication=1, integrity=2)
    fake.SecurityContext = Context
    monkeypatch.setitem(sys.modules, "gssapi", fake)
    return fake  # type: ignore[no-any-return]


def made(authzid: bool = False) -> Gssapi:
    return Gssapi(Identity("user", Secret(""), sends_authzid=authzid, host="mx.example"))


def test_tokens_then_no_layer() -> None:
    mechanism = made(authzid=True)
    assert mechanism.begin() == b"token 1"
    assert mechanism.respond(b"theirs") == b"token 2"
    assert mechanism.respond(b"W\x07\x01\x00\x00") == b"W\x01\x00\x00\x00user"
    assert mechanism.ended
    assert mechanism.respond(b"") is None


def test_the_name_is_that_of_the_service() -> None:
    mechanism = made()
    mechanism.begin()
    assert mechanism._context.terms["name"] == "smtp@mx.example"


@pytest.mark.parametrize("offer", [b"W\x06\x01\x00\x00", b"W\x01\x00", b"W", b"unwrapped"])
def test_a_layer_is_not_to_be_had(offer: bytes) -> None:
    mechanism = made()
    mechanism.begin()
    mechanism.respond(b"theirs")
    assert mechanism.respond(offer) is None
    assert mechanism.failure == GENERIC_FAILURE


def test_a_bad_token_is_a_failure() -> None:
    mechanism = made()
    mechanism.begin()
    assert mechanism.respond(b"bad") is None
    assert mechanism.warning == "SASL authentication failure: GSSAPI: ValueError"


def test_without_a_ticket_there_is_no_beginning(library: Any) -> None:
    def no_ticket(**terms: Any) -> Context:
        raise RuntimeError("no credentials cache")

    library.SecurityContext = no_ticket
    mechanism = made()
    assert mechanism.begin() is None
    assert mechanism.failure == GENERIC_FAILURE
