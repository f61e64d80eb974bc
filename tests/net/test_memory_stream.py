from __future__ import annotations

from mailrider.net.stream import Stream

from .memory_stream import MemoryStream
from .stream_contract import Peer, StreamContract


class TestMemoryStream(StreamContract):
    async def open_pair(self) -> tuple[Stream, Peer]:
        stream = MemoryStream()
        return stream, stream.peer
