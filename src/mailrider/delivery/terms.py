"""On which terms a conversation is opened with one server: the settings, and what tables say of its address."""

from __future__ import annotations

from collections.abc import Callable

from mailrider.delivery.lookups import DISCARD_MAPS_TITLE
from mailrider.delivery.profile import Profile
from mailrider.errors import LocalDataError, TableTrouble
from mailrider.events import Noted, Observer, Warned
from mailrider.model.request import DeliveryRequest
from mailrider.model.server import Server
from mailrider.smtp.capabilities import SILENT_DISCARD, known_discards
from mailrider.smtp.handshake import DELAY_DOTCRLF, DISABLE_ESMTP, Terms

SMTP_PORT = 25
"""Only here can mail loop back to ourselves by mistake (IANA: smtp)."""

_PIX_WORKAROUNDS = (DISABLE_ESMTP, DELAY_DOTCRLF)


def make_terms(
    server: Server,
    profile: Profile,
    request: DeliveryRequest,
    observer: Observer,
    *,
    age_seconds: float,
    is_best_exchanger: bool,
) -> Terms:
    """`age_seconds` is how long the message has been queued."""
    special = _SpecialTreatment(server, profile, request.queue_id, observer, age_seconds)
    return Terms(
        peer=server.name_and_address,
        relay=server.relay,
        host=server.host,
        nexthop=request.nexthop,
        helo_name=profile.helo_name,
        own_name=profile.own_name,
        lmtp=profile.lmtp,
        always_send_ehlo=profile.always_send_ehlo,
        never_send_ehlo=profile.never_send_ehlo,
        skip_5xx_greeting=profile.skip_5xx_greeting,
        detect_loops=not profile.lmtp and server.port == SMTP_PORT,
        is_best_exchanger=is_best_exchanger,
        await_quit=profile.await_quit,
        discard=special.discards,
        pix_workarounds=special.pix_workarounds,
    )


def filter_replies(profile: Profile, queue_id: str, observer: Observer) -> Callable[[str], str | None] | None:
    """`smtp_reply_filter` as the reply parser wants it."""
    find = profile.lookups.reply_filter
    if find is None:
        return None

    def rewrite(line: str) -> str | None:
        try:
            return find(line)
        except TableTrouble as trouble:
            table = " ".join(profile.settings.smtp_reply_filter)
            observer(Warned(str(trouble), queue_id))
            observer(Warned(f"table {table} lookup error for {line}", queue_id))
            raise LocalDataError(str(trouble)) from trouble

    return rewrite


class _SpecialTreatment:
    """What tables say of one server; asked only when the conversation comes to it."""

    __slots__ = ("_age_seconds", "_observer", "_profile", "_queue_id", "_server")

    def __init__(
        self, server: Server, profile: Profile, queue_id: str, observer: Observer, age_seconds: float
    ) -> None:
        self._server = server
        self._profile = profile
        self._queue_id = queue_id
        self._observer = observer
        self._age_seconds = age_seconds

    def discards(self) -> tuple[str, ...]:
        """`smtp_discard_ehlo_keywords`, or what its map has for this address; told unless it is to be silent."""
        words = self._profile.discard_words
        find = self._profile.lookups.discard_by_address
        if find is not None:
            try:
                found = find(self._server.address)
            except TableTrouble as trouble:
                title = DISCARD_MAPS_TITLE[self._profile.transport]
                self._observer(Warned(str(trouble), self._queue_id))
                self._observer(Warned(f"{title} map lookup error for {self._server.address}", self._queue_id))
                raise LocalDataError(str(trouble)) from trouble
            if found is not None:
                words = tuple(found.replace(",", " ").split())
        discards = known_discards(words)
        if discards and not any(word.upper() == SILENT_DISCARD for word in words):
            self._observer(Noted("discarding EHLO keywords: " + " ".join(discards)))
        return discards

    def pix_workarounds(self) -> tuple[str, ...]:
        """What to do about a hidden greeting.  A table that cannot answer is no reason to stop."""
        profile = self._profile
        words = profile.pix_workarounds
        if profile.lookups.pix_by_address is not None:
            try:
                found = profile.lookups.pix_by_address(self._server.address)
            except TableTrouble as trouble:
                self._observer(Warned(str(trouble), self._queue_id))
                found = None
            if found is not None:
                words = tuple(found.replace(",", " ").split())
        if not words:
            return ()
        wanted = {word.lower() for word in words}
        if self._age_seconds < profile.pix_threshold_seconds:
            wanted.discard(DELAY_DOTCRLF)
        chosen = tuple(word for word in _PIX_WORKAROUNDS if word in wanted)
        self._observer(Noted(f"enabling PIX workarounds: {' '.join(chosen)} for {self._server.relay}", self._queue_id))
        return chosen
