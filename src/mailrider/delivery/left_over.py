"""The reason of those who are left over when no server is: the latest failure, with the safety nets of smtp(8).

What looks like a fault of our own configuration, a relay host or a fallback relay that is not there, is deferred and not
bounced.
"""

from __future__ import annotations

from mailrider.delivery.progress import Progress
from mailrider.delivery.trouble import Failure
from mailrider.events import Warned
from mailrider.model import status as status_code
from mailrider.route.itinerary import Itinerary
from mailrider.smtp.refusal import Scope


def find_last_reason(progress: Progress, itinerary: Itinerary, *, interrupted: bool, overdue: bool) -> Failure:
    """Why whoever is left over was not served.  `overdue`: the request was interrupted since it took too long."""
    profile, failure = progress.profile, progress.latest
    if overdue:
        return Failure(Scope.MESSAGE, status_code.SERVER_UNAVAILABLE, "unknown mail transport error")
    if interrupted:
        return Failure(Scope.MESSAGE, status_code.SYSTEM_NOT_ACCEPTING, "delivery agent is shutting down")
    if failure is None:
        return Failure(Scope.SITE, status_code.SERVER_UNAVAILABLE, "server unavailable or unable to receive mail")
    if status_code.is_hard(failure.status):
        at_relayhost = not profile.lmtp and profile.relayhost and itinerary.first_text == profile.relayhost
        wrong = "smtp_fallback_relay" if itinerary.at_fallback else "relayhost" if at_relayhost else ""
        if wrong:
            progress.observer(Warned(f"{wrong} configuration problem"))
            return failure._replace(status=status_code.CONFIGURATION_ERROR)
    return failure
