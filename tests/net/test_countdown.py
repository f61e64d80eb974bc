"""The clock of one conversation."""

from mailrider.net.countdown import Countdown
from mailrider.net.deadline import NO_DEADLINE
from mailrider.net.patience import PATIENCE, Patience
from mailrider.smtp.stage import AUTH, AUTH_AFTER_DENIAL, CONTENT, EHLO, GREETING, HELO, MAIL, RCPT, STAGES, STARTTLS


class Watch:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def make(**options: bool | int) -> tuple[Countdown, Watch, list[str]]:
    watch = Watch()
    over: list[str] = []
    limits = dict.fromkeys(STAGES, 10.0)
    patience = Patience(limits, **options)  # type: ignore[arg-type]
    return Countdown(patience, watch, lambda: over.append("over")), watch, over


def test_nothing_is_waited_for_at_first() -> None:
    countdown, _, over = make()
    assert countdown.deadline_seconds == NO_DEADLINE
    countdown.run_out_of_time()
    assert over == ["over"]


def test_the_clock_of_a_reply_runs_from_when_it_is_the_next() -> None:
    countdown, watch, _ = make()
    first, second = (MAIL, "script", 5), (RCPT, "script", 5)
    countdown.await_reply(first)
    watch.seconds += 4
    countdown.await_reply(first)
    assert countdown.deadline_seconds == 110
    countdown.await_reply(second)
    assert countdown.deadline_seconds == 114
    watch.seconds += 1
    countdown.forget_reply()
    countdown.await_reply(second)
    assert countdown.deadline_seconds == 115
    countdown.await_reply(None)
    assert countdown.deadline_seconds == NO_DEADLINE


def test_greeting_and_ehlo_have_one_limit_together_with_per_request_deadlines() -> None:
    countdown, watch, over = make(per_request=True)
    countdown.await_reply((GREETING, "script", 0))
    watch.seconds += 6.5
    countdown.await_reply((EHLO, "script", 5))
    assert countdown.deadline_seconds == 110.5
    watch.seconds += 1
    countdown.forget_reply()
    countdown.await_reply((EHLO, "script", 5))
    assert countdown.deadline_seconds == 110.5
    watch.seconds += 3
    assert over == []
    countdown.await_reply((HELO, "script", 5))
    assert countdown.deadline_seconds == watch.seconds
    assert over == ["over"]  # there is no time left to begin with
    countdown.await_reply((STARTTLS, "script", 5))
    countdown.await_reply((EHLO, "script", 6))
    assert countdown.deadline_seconds == watch.seconds + 10


def test_a_login_has_what_the_ehlo_before_it_has_left() -> None:
    """Between the two nothing is waited for: what the server can is looked at, and a password is looked up."""
    countdown, watch, over = make(per_request=True)
    countdown.await_reply((EHLO, "opening", 5))
    watch.seconds += 6.5
    countdown.await_reply(None)
    assert countdown.deadline_seconds == NO_DEADLINE
    countdown.await_reply((AUTH, "login", 5))
    assert countdown.deadline_seconds == watch.seconds + 4
    countdown.await_reply(None)
    countdown.await_reply((MAIL, "transaction", 5))
    assert countdown.deadline_seconds == watch.seconds + 10
    countdown.await_reply(None)
    countdown.await_reply((MAIL, "transaction", 5))
    assert countdown.deadline_seconds == watch.seconds + 10
    assert over == []


def test_a_login_after_a_denial_has_what_starttls_has_left() -> None:
    countdown, watch, _ = make(per_request=True)
    countdown.await_reply((STARTTLS, "opening", 5))
    watch.seconds += 6.5
    countdown.await_reply(None)
    countdown.await_reply((AUTH_AFTER_DENIAL, "login", 5))
    assert countdown.deadline_seconds == watch.seconds + 4


def test_what_begins_anew_is_no_reply() -> None:
    countdown, watch, _ = make()
    head = (MAIL, "script", 5)
    countdown.await_reply(head)
    countdown.begin(CONTENT)
    watch.seconds += 3
    countdown.await_reply(head)
    assert countdown.deadline_seconds == 113


def test_a_peer_that_drips_has_a_bounded_time() -> None:
    countdown, watch, _ = make()
    countdown.await_reply((MAIL, "script", 5))
    for _ in range(3 * PATIENCE):
        watch.seconds += 9
        countdown.octets_arrived(MAIL)
    assert countdown.deadline_seconds == 100 + 10 * PATIENCE


def test_content_that_leaves_moves_its_deadline() -> None:
    countdown, watch, _ = make(per_request=True, min_data_rate=100)
    countdown.begin(CONTENT)
    watch.seconds += 5
    countdown.octets_departed(CONTENT, 200)
    assert countdown.deadline_seconds == 112


def test_a_rest_ends_whatever_else_is_waited_for() -> None:
    countdown, watch, _ = make()
    countdown.rest(3)
    assert (countdown.resting, countdown.deadline_seconds) == (True, 103)
    countdown.await_reply((MAIL, "script", 5))
    assert countdown.deadline_seconds == 103
    watch.seconds += 1
    countdown.wake(MAIL)
    assert (countdown.resting, countdown.deadline_seconds) == (False, 111)
    watch.seconds += 1
    countdown.wake(MAIL)
    assert countdown.deadline_seconds == 111
