"""Content on its way to a stream: as much of it as the stream takes."""

from __future__ import annotations

from collections.abc import Iterator

from mailrider.net.countdown import Countdown
from mailrider.net.stream import Stream
from mailrider.smtp.stage import CONTENT

WRITE_AHEAD_OCTETS = 128 * 1024
"""Content is handed to the stream in writes of about this size: one socket buffer."""


def hand_over(pieces: Iterator[bytes], out: list[bytes], stream: Stream, countdown: Countdown) -> bool:
    """Hand over what is in `out` and pieces of content until there are no more (True), or the stream is full (False).

    The last pieces stay in `out`, so that the dot, and what rides with it, leaves together with them.  Where the stream
    is full it tells its listener later: go on with the same pieces then.  What the pieces raise comes through.
    """
    size = sum(map(len, out))
    for piece in pieces:
        out.append(piece)
        size += len(piece)
        if size >= WRITE_AHEAD_OCTETS:
            data = b"".join(out)
            out.clear()
            taken = stream.write(data)
            countdown.octets_departed(CONTENT, size - stream.unsent_octets)
            if not taken:
                return False
            size = 0
    return True
