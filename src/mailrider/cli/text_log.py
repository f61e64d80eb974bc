"""Log lines in Postfix's words, as the settings of a command want them."""

from __future__ import annotations

from collections.abc import Callable

from mailrider.events import Event, Observer
from mailrider.observe.text import TextLog
from mailrider.settings import Settings


def open_text_log(settings: Settings, write: Callable[[str], None], *, verbose: bool) -> Observer:
    """Writes lines with `write`; where `verbose` or `debug_peer_list` asks for it, the conversations too."""
    log = TextLog(
        write,
        resolution_digits=settings.delay_logging_resolution_limit,
        address_format=settings.info_log_address_format,
        helpful=settings.helpful_warnings,
    )
    if not verbose and not settings.debug_peer_list:
        return log
    from mailrider.observe.transcript import Transcript

    transcript = Transcript(write, remarks=verbose)

    def observe(event: Event) -> None:
        transcript(event)
        log(event)

    return observe
