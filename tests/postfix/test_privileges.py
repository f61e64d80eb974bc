"""Who gives up privileges, and who has none to give up."""

from __future__ import annotations

import os

import pytest

from mailrider.errors import WrongConfiguration
from mailrider.postfix.privileges import drop_privileges

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges")


@needs_root
def test_a_child_becomes_somebody_else() -> None:
    said, say = os.pipe()
    child = os.fork()
    if not child:
        try:
            drop_privileges("nobody")
            os.write(say, f"{os.getresuid()} {os.getresgid()} {os.getgroups()}".encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(say)
    with os.fdopen(said) as file:
        text = file.read()
    assert text
    assert "(0" not in text
    assert ", 0" not in text


@needs_root
@pytest.mark.parametrize(("owner", "reason"), [("nobody-of-that-name", "no such user"), ("root", "privileges of root")])
def test_whom_one_cannot_become(owner: str, reason: str) -> None:
    with pytest.raises(WrongConfiguration, match=reason):
        drop_privileges(owner)


def test_who_is_not_root_stays_who_he_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    before = os.getresuid()
    drop_privileges("nobody-of-that-name")
    assert os.getresuid() == before
