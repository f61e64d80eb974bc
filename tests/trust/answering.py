"""A server on the loopback address that says what it was told to say."""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Self


class AnsweringServer(ABC):
    """Answers each request with the next of `answers`, and with the last for ever; None is silence."""

    def __init__(self, answers: list[Any], context: ssl.SSLContext | None) -> None:
        self.answers = answers
        self.context = context
        self.port = 0

    @abstractmethod
    async def hear(self, reader: asyncio.StreamReader) -> None:
        """Take a request in."""

    def put(self, answer: Any) -> bytes:
        """The octets of an answer."""
        assert isinstance(answer, bytes)
        return answer

    async def __aenter__(self) -> Self:
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, trouble: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self.hear(reader)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if answer is None:
                await reader.read()
            else:
                writer.write(self.put(answer))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()
