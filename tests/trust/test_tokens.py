from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mailrider.sasl.secret import Secret
from mailrider.trust.token_endpoint import EndpointTerms
from mailrider.trust.tokens import RENEW_BEFORE_SECONDS, RETRY_SECONDS, TokenKeeper
from virtual_time import run

from .endpoint import Endpoint, certificates, reply

pytest.importorskip("httpx", reason="httpx is not installed (mailrider[oauth])")

NOW = 1_700_000_000.0
NO = reply({"error": "invalid_grant"}, 400)


def given_token(number: int, **more: Any) -> dict[str, Any]:
    return {"access_token": f"AT-{number}", "expires_in": 3600, **more}


class Scene:
    """A token file, an endpoint, and a keeper."""

    def __init__(self, path: Path, endpoint: Endpoint, **found: Any) -> None:
        self.path = path / "token.json"
        self.endpoint = endpoint
        self.found = found
        self.now_seconds = NOW
        self.warnings: list[str] = []
        self.keeper = self.open()

    def open(self) -> TokenKeeper:
        terms = EndpointTerms(ca_file=certificates()[0], timeout_seconds=30.0)
        return TokenKeeper(terms, lambda: self.now_seconds, self.warnings.append)

    async def get(self) -> str:
        got = await self.keeper.get(str(self.path))
        return got.text if isinstance(got, Secret) else "no: " + got

    @property
    def written(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.path.read_text())
        return found

    def play(self, part: Callable[[], Awaitable[None]]) -> None:
        async def main() -> None:
            async with self.endpoint:
                account = {"client_id": "me", "refresh_token": "RT-1", "token_endpoint": self.endpoint.url}
                self.path.write_text(json.dumps(account | self.found))
                os.chmod(self.path, 0o600)
                await part()

        run(main())


def test_a_good_token_is_used_as_it_is(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Endpoint(given_token(2)), access_token="AT-1", expiry=NOW + RENEW_BEFORE_SECONDS + 1)

    async def part() -> None:
        assert [await scene.get(), await scene.get()] == ["AT-1", "AT-1"]
        assert not scene.endpoint.forms

    scene.play(part)


def test_one_that_nobody_knows_the_end_of_is_good(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Endpoint(None), access_token="AT-1")

    async def part() -> None:
        assert await scene.get() == "AT-1"

    scene.play(part)


def test_a_token_is_renewed_before_it_ends_and_written_down(tmp_path: Path) -> None:
    answers = Endpoint(given_token(2, refresh_token="RT-2"), given_token(3))
    scene = Scene(tmp_path, answers, access_token="AT-1", expiry=NOW + RENEW_BEFORE_SECONDS)

    async def part() -> None:
        assert await scene.get() == "AT-2"
        assert scene.written["refresh_token"] == "RT-2"
        assert scene.written["expiry"] == NOW + 3600
        scene.now_seconds += 3600
        assert await scene.get() == "AT-3"
        assert [form["refresh_token"] for form in scene.endpoint.forms] == ["RT-1", "RT-2"]
        assert scene.written["refresh_token"] == "RT-2"

    scene.play(part)
    assert scene.warnings == []


def test_many_wait_for_one_renewal(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Endpoint(given_token(2)))

    async def part() -> None:
        assert set(await asyncio.gather(*(scene.get() for _ in range(10)))) == {"AT-2"}
        assert len(scene.endpoint.forms) == 1

    scene.play(part)


def test_what_another_process_has_renewed_is_used(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Endpoint(given_token(3)))

    async def part() -> None:
        handle = os.open(f"{scene.path}.lock", os.O_CREAT | os.O_RDWR)
        fcntl.flock(handle, fcntl.LOCK_EX)
        waiting = asyncio.ensure_future(scene.get())
        await asyncio.sleep(1)
        assert not waiting.done()
        scene.path.write_text(json.dumps(scene.written | {"access_token": "AT-2", "expiry": NOW + 3600}))
        os.close(handle)
        assert await waiting == "AT-2"
        assert not scene.endpoint.forms

    scene.play(part)


def test_a_lock_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Endpoint(given_token(2)))

    async def part() -> None:
        handle = os.open(f"{scene.path}.lock", os.O_CREAT | os.O_RDWR)
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert (await scene.get()).endswith("is locked by another process")
        os.close(handle)

    scene.play(part)


@pytest.mark.parametrize("answer", [NO, None, b"garbage"])
def test_until_the_old_token_has_ended_a_broken_endpoint_does_no_harm(tmp_path: Path, answer: Any) -> None:
    scene = Scene(tmp_path, Endpoint(answer), access_token="AT-1", expiry=NOW + 100)

    async def part() -> None:
        assert await scene.get() == "AT-1"
        assert await scene.get() == "AT-1"
        assert len(scene.endpoint.forms) == 1
        scene.now_seconds += 101
        assert (await scene.get()).startswith("no: token endpoint")

    scene.play(part)
    assert len(scene.warnings) == 2
    assert "RT-1" not in "".join(scene.warnings)


def test_a_broken_endpoint_is_not_asked_for_every_message(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Endpoint(NO, given_token(2)))

    async def part() -> None:
        first = await scene.get()
        assert first.endswith("said: invalid_grant")
        assert await scene.get() == first
        assert len(scene.endpoint.forms) == 1
        scene.now_seconds += RETRY_SECONDS
        assert await scene.get() == "AT-2"

    scene.play(part)


def test_a_token_that_was_refused_is_renewed_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Endpoint(given_token(2)), access_token="AT-1", expiry=NOW + 3600)

    async def part() -> None:
        assert await scene.get() == "AT-1"
        scene.keeper.distrust(str(scene.path))
        assert await scene.get() == "AT-2"
        scene.keeper.distrust(str(scene.path))
        assert await scene.get() == "no: the access token was refused, and has been renewed already"
        assert len(scene.endpoint.forms) == 1

    scene.play(part)


def test_tokens_that_cannot_be_written_are_kept_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Endpoint(given_token(2, refresh_token="RT-2"), given_token(3))
    scene = Scene(tmp_path, answers)
    monkeypatch.setattr("mailrider.trust.tokens.write_tokens", lambda path, tokens: "Read-only file system")

    async def part() -> None:
        assert await scene.get() == "AT-2"
        scene.now_seconds += 3600
        assert await scene.get() == "AT-3"
        assert [form["refresh_token"] for form in scene.endpoint.forms] == ["RT-1", "RT-2"]

    scene.play(part)
    assert "will be lost with this process: Read-only file system" in scene.warnings[0]


def test_a_file_for_everybody_is_warned_of_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Endpoint(None), access_token="AT-1")

    async def part() -> None:
        os.chmod(scene.path, 0o644)
        await scene.get()
        await scene.get()

    scene.play(part)
    assert scene.warnings == [f"token file {scene.path} can be read or written by everybody"]


def test_a_file_that_makes_no_sense_is_a_reason(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Endpoint(None))

    async def part() -> None:
        scene.path.write_text("x")
        assert await scene.get() == f"no: token file {scene.path} is no JSON object"

    scene.play(part)
