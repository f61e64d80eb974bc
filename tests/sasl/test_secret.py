from __future__ import annotations

import copy
import logging
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.sasl.mechanism import ChannelBinding, Identity
from mailrider.sasl.secret import MASK, Secret

VALUE = "correct horse battery staple"


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret(VALUE)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r:>40}", f"{secret:>40}"]
    shown += ["%s" % secret, "{}".format(secret)]  # noqa: UP031, UP032
    shown += [repr([secret]), repr({"password": secret}), repr(Identity("user", secret)), ascii(secret)]
    assert not [text for text in shown if VALUE in text or "horse" in text]
    assert repr(secret) == MASK


def test_nor_in_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").warning("password %s of %r", Secret(VALUE), Identity("user", Secret(VALUE)))
    assert VALUE not in caplog.text
    assert MASK in caplog.text


def test_nor_in_a_traceback_with_locals() -> None:
    def fail(secret: Secret) -> None:
        raise ValueError(secret)

    try:
        fail(Secret(VALUE))
    except ValueError as fault:
        shown = "".join(traceback.TracebackException.from_exception(fault, capture_locals=True).format())
    assert "secret = ***" in shown
    assert VALUE not in shown.replace("Secret(VALUE)", "")


def test_it_is_not_written_down() -> None:
    with pytest.raises(TypeError, match="not written down"):
        pickle.dumps(Secret(VALUE))
    with pytest.raises(TypeError):
        copy.deepcopy(Secret(VALUE))
    with pytest.raises(TypeError):
        vars(Secret(VALUE))


def test_channel_bindings_are_not_shown_either() -> None:
    assert "abc" not in repr(ChannelBinding("tls-exporter", b"abc"))


@given(st.binary())
def test_whoever_asks_for_it_gets_it(octets: bytes) -> None:
    secret = Secret(octets)
    assert secret.reveal() == octets
    assert Secret(secret.text) == secret
    assert bool(secret) == bool(octets)
    assert hash(Secret(octets)) == hash(secret)


def test_secrets_are_equal_if_their_values_are() -> None:
    assert Secret("a") == Secret(b"a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


def test_a_fingerprint_tells_secrets_apart_and_depends_on_its_key() -> None:
    assert Secret("a").fingerprint(b"k") == Secret("a").fingerprint(b"k")
    assert Secret("a").fingerprint(b"k") != Secret("b").fingerprint(b"k")
    assert Secret("a").fingerprint(b"k") != Secret("a").fingerprint(b"l")
