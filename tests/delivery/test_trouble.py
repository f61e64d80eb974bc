from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.delivery.trouble import Disposition, Failure, failure_of_refusal, failure_of_trouble, judge
from mailrider.errors import (
    ConnectionLost,
    ContentUnreadable,
    LocalDataError,
    PeerBabbles,
    TimedOut,
    WireTrouble,
)
from mailrider.smtp.refusal import Refusal, Scope, refuse_command
from mailrider.smtp.reply import Reply, ReplyParser
from mailrider.smtp.stage import DOT, GREETING, MAIL, RCPT, STAGES, Stage
from mailrider.smtp.trouble import Trouble

PEER = "mx.example.test[192.0.2.1]"

KEEP, DEFER, BOUNCE, SOFT = Disposition.KEEP, Disposition.DEFER, Disposition.BOUNCE, Disposition.SOFT_BOUNCE


@pytest.mark.parametrize("scope", list(Scope))
@pytest.mark.parametrize(
    ("status", "soft_before_last", "last_server", "soft_bounce", "disposition"),
    [
        ("4.2.1", False, False, False, KEEP),
        ("4.2.1", False, True, False, DEFER),
        ("4.2.1", False, False, True, KEEP),
        ("4.2.1", False, True, True, DEFER),
        ("5.1.1", False, False, False, BOUNCE),
        ("5.1.1", False, True, False, BOUNCE),
        ("5.1.1", False, False, True, KEEP),
        ("5.1.1", False, True, True, SOFT),
        ("5.6.7", True, False, False, KEEP),
        ("5.6.7", True, True, False, BOUNCE),
        ("5.6.7", True, False, True, KEEP),
        ("5.6.7", True, True, True, SOFT),
        ("4.6.7", True, False, False, KEEP),
        ("4.6.7", True, True, False, DEFER),
    ],
)
def test_the_table(
    scope: Scope, status: str, soft_before_last: bool, last_server: bool, soft_bounce: bool, disposition: Disposition
) -> None:
    """Whose failure it is makes no difference to what becomes of the recipients."""
    failure = Failure(scope, status, "text", soft_before_last=soft_before_last)
    assert judge(failure, last_server=last_server, soft_bounce=soft_bounce) is disposition


@given(st.sampled_from("45"), st.booleans(), st.booleans(), st.booleans())
def test_nobody_bounces_with_a_temporary_failure_and_nobody_is_kept_at_the_last_server(
    digit: str, soft_before_last: bool, last_server: bool, soft_bounce: bool
) -> None:
    failure = Failure(Scope.SITE, f"{digit}.0.0", "text", soft_before_last=soft_before_last)
    disposition = judge(failure, last_server=last_server, soft_bounce=soft_bounce)
    if digit == "4" or soft_bounce:
        assert disposition is not BOUNCE
    if last_server:
        assert disposition is not KEEP


@pytest.mark.parametrize(
    ("cause", "stage", "status", "text"),
    [
        (ConnectionLost("x"), GREETING, "4.4.2", f"lost connection with {PEER} while receiving the initial server greeting"),
        (TimedOut("x"), MAIL, "4.4.2", f"conversation with {PEER} timed out while sending MAIL FROM"),
        (
            ConnectionLost("x"), DOT, "4.4.2",
            f"lost connection with {PEER} while sending end of data -- message may be sent more than once",
        ),
        (LocalDataError("x"), RCPT, "4.3.0", f"local data error while talking to {PEER}"),
        (PeerBabbles("too much"), RCPT, "4.4.2", f"conversation with {PEER} broken off while sending RCPT TO: too much"),
    ],
)  # fmt: skip
def test_a_conversation_that_breaks_is_a_failure_of_the_site(cause: WireTrouble, stage: Stage, status: str, text: str) -> None:
    notify_class = "data" if isinstance(cause, LocalDataError) else ""
    assert failure_of_trouble(Trouble(cause, stage), PEER) == Failure(Scope.SITE, status, text, notify_class=notify_class)


@pytest.mark.parametrize(("code", "notify_class"), [(250, "protocol"), (354, "protocol"), (450, ""), (502, "protocol"),
                                                    (550, ""), (555, "protocol"), (600, "protocol")])  # fmt: skip
def test_replies_out_of_place_are_for_the_postmaster(code: int, notify_class: str) -> None:
    line = f"{code} x".encode()
    refusal = refuse_command(Scope.RECIPIENT, Reply(code, (line,), line), RCPT, PEER)
    assert failure_of_refusal(refusal, "mx").notify_class == notify_class
    assert failure_of_refusal(refusal._replace(reply=None), "mx").notify_class == ""


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_can_be_told(stage: Stage) -> None:
    text = failure_of_trouble(Trouble(ConnectionLost("x"), stage), PEER).text
    assert text == f"lost connection with {PEER} while {stage.doing}"


def test_a_content_that_cannot_be_read_is_no_failure_of_the_site() -> None:
    failure = failure_of_trouble(Trouble(ContentUnreadable("Input/output error"), DOT), PEER)
    assert failure.scope is Scope.MESSAGE
    assert failure.status == "4.3.0"
    assert "Input/output error" in failure.text


def test_a_refusal_brings_its_reply_along() -> None:
    (reply,) = ReplyParser().feed(b"550 5.1.1 no such user\r\n")
    failure = failure_of_refusal(refuse_command(Scope.RECIPIENT, reply, RCPT, PEER), "mx.example.test")
    assert failure == Failure(
        Scope.RECIPIENT,
        "5.1.1",
        f"host {PEER} said: 550 5.1.1 no such user (in reply to RCPT TO command)",
        "mx.example.test",
        "550 5.1.1 no such user",
    )


def test_a_refusal_of_our_own_names_no_server() -> None:
    failure = failure_of_refusal(Refusal(Scope.SITE, "5.4.6", "mail loops", soft_before_last=True), "mx.example.test")
    assert failure == Failure(Scope.SITE, "5.4.6", "mail loops", soft_before_last=True)
