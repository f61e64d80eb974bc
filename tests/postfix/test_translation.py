"""Requests in the words of the core, and its reports in those of the queue manager."""

from __future__ import annotations

from tests.postfix.test_request import read, sample

from mailrider.model.outcome import DestinationTrouble
from mailrider.model.request import BodyType, Notify, Transport
from mailrider.postfix.queue_file import QueuedContent, QueueFile
from mailrider.postfix.request import Client
from mailrider.postfix.translation import FINAL_DONE, FINAL_RETRY, encode_final_reply, make_delivery_request

CONTENT = QueuedContent(QueueFile(-1, ""), 0, 42)


def test_the_final_replies_octet_by_octet() -> None:
    beginning = b"status\0\0diag_type\0\0diag_text\0\0mta_type\0\0mta_mname\0\0action\0\0reason\0\0"
    assert beginning + b"status\x000\0\0" == FINAL_DONE
    assert beginning + b"status\x004294967295\0\0" == FINAL_RETRY
    told = encode_final_reply(-1, DestinationTrouble("4.4.1", "connect to mx: no"))
    assert told.startswith(b"status\x004.4.1\0")
    assert b"reason\0connect to mx: no\0status\x004294967295\0\0" in told


def test_what_was_asked_for_comes_through() -> None:
    request = make_delivery_request(read(sample("asked")), CONTENT, Transport.LMTP, "other")
    envelope = request.envelope
    assert (envelope.envid, envelope.ret, envelope.body, envelope.smtputf8) == ("e+nv", "HDRS", BodyType.EIGHT_BIT, True)
    assert [recipient.notify for recipient in envelope.recipients] == [Notify.SUCCESS | Notify.DELAY] * 2
    assert [recipient.orcpt for recipient in envelope.recipients] == ["rfc822;a+b@x.test"] * 2
    assert (request.transport, request.service, request.content.size_octets) == (Transport.LMTP, "other", 42)
    assert not request.probe


def test_cache_hints_are_the_queue_managers() -> None:
    queued = read(sample("plain"))
    hints = [(0x3, (False, False)), (0x803, (True, False)), (0x1803, (True, True))]
    for flags, wanted in hints:
        request = make_delivery_request(queued._replace(flags=flags), CONTENT, Transport.SMTP, "smtp")
        assert (request.cache_load, request.cache_store) == wanted


def test_a_probe() -> None:
    assert make_delivery_request(read(sample("probe")), CONTENT, Transport.SMTP, "smtp").probe


def test_who_submitted_it() -> None:
    local = make_delivery_request(read(sample("local")), CONTENT, Transport.SMTP, "smtp")
    assert not local.client
    queued = read(sample("plain"))
    client = make_delivery_request(queued, CONTENT, Transport.SMTP, "smtp").client
    assert client["addr"] == "127.0.0.1"
    assert client["ident"] == queued.queue_id
    assert client["source"] == "LOCAL"
    remote = queued._replace(client=Client("", "", "", "", ""), log_ident="", rewrite_context="remote")
    assert make_delivery_request(remote, CONTENT, Transport.SMTP, "smtp").client == {"source": "REMOTE"}


def test_requiretls_is_a_bit_of_newer_releases() -> None:
    queued = read(sample("plain").replace(b"smtputf8\x000\0", b"sendopts\x0033\0"))
    envelope = make_delivery_request(queued, CONTENT, Transport.SMTP, "smtp").envelope
    assert envelope.requiretls
    assert envelope.smtputf8
