"""Addresses as trivial-rewrite(8) writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.content.whole_address import Completion, make_completion
from mailrider.settings import HostFacts, load_settings

SITE = Completion("origin.test")


@pytest.mark.parametrize(
    ("address", "complete"),
    [
        (b"user", b"user@origin.test"),
        (b"user@host", b"user@host.dom.test"),
        (b"user@host.test.", b"user@host.test"),
        (b"user@host.test..", b"user@host.test.."),
        (b"user@", b"user@"),
        (b"user@[1.2.3.4]", b"user@[1.2.3.4]"),
        (b"host!user", b"user@host.dom.test"),
        (b"a!b!user", b"b!user@a.dom.test"),
        (b"user%host.test", b"user@host.test"),
        (b"a%b%host.test", b"a%b@host.test"),
        (b"a!b@c.test", b"a!b@c.test"),
        (b"@a,@b:user@c.test", b"user@c.test"),
        (b"@", b'""'),
        (b'""', b'""'),
        (b"", b'""'),
        (b'"a b"', b'"a b"@origin.test'),
    ],
)
def test_completion(address: bytes, complete: bytes) -> None:
    assert Completion("origin.test", "dom.test").complete(address) == complete


def test_completion_can_be_off() -> None:
    bare = Completion(swap_bangpath=False, allow_percent_hack=False)
    for address in (b"user", b"user@host", b"a!b", b"a%b"):
        assert bare.complete(address) == address


@pytest.mark.parametrize(
    ("address", "whole"),
    [
        ("", ""),
        ("user", "user@origin.test"),
        ("user@c.test", "user@c.test"),
        ("user@host", "user@host"),
        ("user@c.test.", "user@c.test"),
        ("@a,@b:user@c.test", "user@c.test"),
        ("john doe", "john doe@origin.test"),
        ('odd"user@c.test', 'odd"user@c.test'),
        ("b!user", "user@b"),
        ("user%c.test", "user@c.test"),
        ("jürgen@c.test", "jürgen@c.test"),
        ("jürgen", "jürgen@origin.test"),
        ("user@[192.0.2.1]", "user@[192.0.2.1]"),
    ],
)
def test_the_inside_form(address: str, whole: str) -> None:
    assert SITE.whole(address) == whole
    assert SITE.whole_sender(address) == whole


@pytest.mark.parametrize("sender", ["MAILER-DAEMON", "Mailer-Daemon@ORIGIN.test", "mailer-daemon@origin.test."])
def test_mailer_daemon_of_this_site_is_the_null_sender(sender: str) -> None:
    assert SITE.whole_sender(sender) == ""
    assert SITE.whole(sender) != ""


@pytest.mark.parametrize("sender", ["mailer-daemon@c.test", "mailer-daemons@origin.test", "mailer-daemon+x@origin.test"])
def test_others_are_not(sender: str) -> None:
    assert SITE.whole_sender(sender) == sender


@given(st.text(max_size=30))
def test_anything_gets_a_domain(address: str) -> None:
    """But for what is nothing, such as a lone @."""
    whole = SITE.whole(address)
    assert "@" in whole or whole == ""


def test_the_settings() -> None:
    words = ["myorigin=o.test", "mydomain=d.test", "append_dot_mydomain=yes", "append_at_myorigin=no", "swap_bangpath=no"]
    settings = load_settings(None, words, host=HostFacts("me.example.test"))
    assert make_completion(settings) == Completion("", "d.test", swap_bangpath=False)
