"""Messages and recipients as texts that any storage holds, and back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailrider.model.outcome import Action, Delays, Outcome, Status
from mailrider.model.request import BodyType, Envelope, Notify, Recipient
from mailrider.spool.rows import (
    RecipientRow,
    decode_message,
    decode_open_recipient,
    decode_outcome,
    decode_recipient,
    domain_of,
    encode_message,
    encode_outcome,
    encode_recipient,
    searchable,
)
from mailrider.spool.spool import InDoubt, OpenRecipient, PastFailure, Submission

ANY_TEXT = st.text(st.characters(), max_size=20)
"""Halves of surrogate pairs as well: that is how octets look that were never text."""

SECONDS = st.floats(0, 1e6).map(lambda value: round(value, 6))

OUTCOMES = st.builds(
    Outcome,
    st.sampled_from(Status), ANY_TEXT, ANY_TEXT, ANY_TEXT, st.none() | ANY_TEXT, st.none() | ANY_TEXT, st.sampled_from(Action),
    st.builds(Delays, SECONDS, SECONDS, SECONDS, SECONDS), st.integers(0, 99),
    soft_bounced=st.booleans(), in_doubt=st.booleans(), passes_notice_on=st.booleans(),
)  # fmt: skip
NOTIFY = st.lists(st.sampled_from(list(Notify))).map(lambda words: sum_of(words))
RECIPIENTS = st.builds(Recipient, ANY_TEXT, ANY_TEXT, ANY_TEXT, NOTIFY)


def sum_of(words: list[Notify]) -> Notify:
    total = Notify.UNSET
    for word in words:
        total |= word
    return total


@given(OUTCOMES)
def test_an_outcome(outcome: Outcome) -> None:
    text = encode_outcome(outcome)
    assert decode_outcome(text) == outcome
    assert text.isascii()


@given(RECIPIENTS, st.integers(0, 1000))
def test_a_recipient(recipient: Recipient, number: int) -> None:
    text = encode_recipient(recipient)
    assert decode_recipient(text, number) == recipient._replace(token=number)
    assert text.isascii()


@given(
    st.builds(
        Envelope, ANY_TEXT, st.just(()), ANY_TEXT, st.sampled_from(["", "full", "hdrs"]), st.sampled_from(BodyType),
        st.booleans(), st.booleans(),
    ),
    st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=3),
    ANY_TEXT,
    st.booleans(),
)  # fmt: skip
def test_a_message(envelope: Envelope, client: dict[str, str], origin: str, on_hold: bool) -> None:
    given_submission = Submission(envelope, client, origin, expires_seconds=7.0, on_hold=on_hold)
    row = encode_message(given_submission, 77, 5.0, 1234, filed=False)
    message = decode_message(row, "ID", ())
    assert message.envelope == envelope
    assert (dict(message.client), message.origin, message.on_hold) == (client, origin, on_hold)
    assert (message.size_octets, message.arrival_seconds, message.expires_seconds) == (1234, 5.0, 7.0)
    assert row.envelope.isascii()
    row.sender.encode()


def test_what_a_row_says_of_a_recipient() -> None:
    outcome = Outcome(Status.DEFERRED, "4.0.0", "later")
    row = RecipientRow(3, encode_recipient(Recipient("a@b")), "b", 9.0, 1, 2, encode_outcome(outcome), 4.0, "mx", 5.0, 1)
    expected = OpenRecipient(
        3, Recipient("a@b", token=3), 2, 9.0, PastFailure(outcome, 4.0), InDoubt("mx", 5.0), warned=True, owed=True
    )
    assert decode_open_recipient(row) == expected


@given(ANY_TEXT)
def test_what_is_searched_for_can_be_stored(text: str) -> None:
    searchable(text).encode()
    domain_of(text).encode()


def test_domains() -> None:
    assert [domain_of(text) for text in ("a@B.Example", "nobody", '"x@y"@z', "a@")] == ["b.example", "", "z", ""]
