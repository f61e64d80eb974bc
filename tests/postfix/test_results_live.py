"""What becomes of mail that a real queue manager hands to us: one private Postfix for all of these."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.postfix.instance import Postfix, agent_line, why_not
from tests.postfix.receiver import Receiver

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is one")

LARGE_OCTETS = 50 * 1024 * 1024
MEMORY_LIMIT_KILOBYTES = 120 * 1024
MANY_RECIPIENTS = 1000

numbers = itertools.count(1)


class Scene:
    """A Postfix, a server that knows little, one that knows DSN, and one that speaks LMTP."""

    def __init__(self, postfix: Postfix, plain: Receiver, dsn: Receiver, lmtp: Receiver) -> None:
        self.postfix, self.plain, self.dsn, self.lmtp = postfix, plain, dsn, lmtp

    def address(self, domain: str = "sink.test", kind: str = "good") -> str:
        """An address that no other test uses."""
        return f"{kind}{next(numbers)}@{domain}"

    def wait_for(self, *addresses: str) -> dict[str, tuple[str, str]]:
        """Status and code of each."""

        def found() -> dict[str, tuple[str, str]]:
            return {who: (status, code) for who, status, code in self.postfix.results() if who in addresses}

        self.postfix.wait_for(lambda: len(found()) == len(addresses), f"results of {addresses}")
        return found()

    def wait_for_notice(self, *texts: str) -> str:
        """A notice that has all of these."""

        def found() -> list[str]:
            return [notice for notice in self.postfix.notices() if all(text in notice for text in texts)]

        self.postfix.wait_for(found, f"a notice with {texts}")
        return found()[0]


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with Receiver() as plain, Receiver(keywords=("DSN",)) as dsn, Receiver(lmtp=True) as lmtp:
        transports = {
            "sink.test": f"smtp:{plain.hop}",
            "verified.test": f"smtp:{plain.hop}",
            "dsn.test": f"smtp:{dsn.hop}",
            "lmtp.test": f"lmtp:inet:{lmtp.hop}",
            "final.test": f"final:inet:{lmtp.hop}",
            "dead.test": "smtp:[127.0.0.1]:1",
        }
        settings = {
            "smtpd_recipient_restrictions": "check_recipient_access inline:{verified.test=reject_unverified_recipient}, "
            "permit_mynetworks, reject",
            "relay_domains": "dead.test",
            "smtp_destination_recipient_limit": "400",
            "unverified_recipient_reject_code": "550",
            "address_verify_poll_count": "30",
            "address_verify_poll_delay": "1s",
            "smtpd_recipient_limit": "2000",
        }
        services = [agent_line(), agent_line("lmtp", "lmtp"), agent_line("final", "lmtp", "flags=X")]
        with Postfix(transports, services, settings) as postfix:
            yield Scene(postfix, plain, dsn, lmtp)


def test_a_message_goes_out_as_it_was_queued(scene: Scene) -> None:
    address = scene.address()
    scene.postfix.submit([address], "Subject: dots\n\n.\n..two\nlast\n")
    assert scene.wait_for(address) == {address: ("sent", "2.0.0")}
    taken = next(message for message in scene.plain.taken if address in message.recipients)
    assert taken.sender == "me@origin.test"
    assert taken.content.endswith(b"\r\nFrom: me@origin.test\r\n\r\n.\r\n..two\r\nlast\r\n")


def test_recipients_with_three_different_fates(scene: Scene) -> None:
    good, soft, hard = scene.address(), scene.address(kind="temp"), scene.address(kind="perm")
    queue_id = scene.postfix.submit([good, soft, hard])
    assert scene.wait_for(good, soft, hard) == {
        good: ("sent", "2.0.0"), soft: ("deferred", "4.2.1"), hard: ("bounced", "5.1.1"),
    }  # fmt: skip
    notice = scene.wait_for_notice(hard)
    assert "Diagnostic-Code: smtp; 550 5.1.1 nobody of that name" in notice
    assert "Remote-MTA: dns; 127.0.0.1" in notice
    assert soft not in notice
    scene.postfix.wait_for(lambda: queue_id in scene.postfix.queue_ids("deferred"), "the rest to wait")
    listed = scene.postfix.run("postqueue", "-p")
    assert soft in listed
    assert "451 4.2.1 come back later" in listed
    assert good not in listed
    assert hard not in listed


def test_a_bounce_that_nobody_wants(scene: Scene) -> None:
    address = scene.address(kind="perm")
    queue_id = scene.postfix.submit([address], sender="")
    assert scene.wait_for(address) == {address: ("bounced", "5.1.1")}
    scene.postfix.wait_for_log(f"{queue_id}: removed")
    assert not [notice for notice in scene.postfix.notices() if address in notice]


def test_lmtp(scene: Scene) -> None:
    one, another = scene.address("lmtp.test"), scene.address("lmtp.test")
    scene.postfix.submit([one, another])
    assert scene.wait_for(one, another) == {one: ("sent", "2.0.0"), another: ("sent", "2.0.0")}
    assert any(command.startswith("LHLO client.origin.test") for command in scene.lmtp.commands)
    assert "/lmtp[" in next(line for line in scene.postfix.log_text().splitlines() if f"to=<{one}>" in line)


def test_a_server_that_knows_no_dsn_leaves_the_success_notice_to_us(scene: Scene) -> None:
    address = scene.address()
    scene.postfix.submit([address], rcpt=" NOTIFY=SUCCESS ORCPT=rfc822;someone@else.test", mail=" ENVID=abc123")
    notice = scene.wait_for_notice(address, "Action: relayed")
    assert "Original-Recipient: rfc822;someone@else.test" in notice
    assert "Original-Envelope-Id: abc123" in notice
    assert f"delivery via 127.0.0.1[127.0.0.1]:{scene.plain.port}" in notice.replace("\n    ", " ")


def test_a_server_that_does_gets_the_wish_itself(scene: Scene) -> None:
    address = scene.address("dsn.test")
    queue_id = scene.postfix.submit(
        [address], rcpt=" NOTIFY=SUCCESS ORCPT=rfc822;a+2Bb@else.test", mail=" ENVID=e+2Bnv RET=HDRS"
    )
    scene.postfix.wait_for_log(f"{queue_id}: removed")
    assert f"RCPT TO:<{address}> ORCPT=rfc822;a+2Bb@else.test NOTIFY=SUCCESS" in scene.dsn.commands
    assert any("ENVID=e+2Bnv RET=HDRS" in command for command in scene.dsn.commands)
    assert not [notice for notice in scene.postfix.notices() if address in notice]


def test_final_delivery_by_lmtp_is_told_as_such(scene: Scene) -> None:
    address = scene.address("final.test")
    scene.postfix.submit([address], rcpt=" NOTIFY=SUCCESS")
    assert "Action: delivered" in scene.wait_for_notice(address)


def test_no_notice_for_who_wants_none(scene: Scene) -> None:
    address = scene.address(kind="perm")
    queue_id = scene.postfix.submit([address], rcpt=" NOTIFY=NEVER")
    scene.postfix.wait_for_log(f"{queue_id}: removed")
    assert not [notice for notice in scene.postfix.notices() if address in notice]


def test_sendmail_bv_probes_and_sends_nothing(scene: Scene) -> None:
    good, hard = scene.address(), scene.address(kind="perm")
    scene.postfix.run("sendmail", "-bv", "-f", "me@origin.test", good, hard)
    assert scene.wait_for(good, hard) == {good: ("deliverable", "2.1.5"), hard: ("undeliverable", "5.1.1")}
    notice = scene.wait_for_notice(good, hard)
    assert "Action: deliverable" in notice
    assert "Action: undeliverable" in notice
    assert good not in scene.plain.recipients()


def test_sendmail_v_reports_what_it_does(scene: Scene) -> None:
    address = scene.address()
    scene.postfix.run("sendmail", "-v", "-i", "-f", "me@origin.test", address, text="Subject: v\n\nx\n")
    assert "Action: relayed" in scene.wait_for_notice(address)


def test_recipients_are_verified_for_smtpd(scene: Scene) -> None:
    good, hard = scene.address("verified.test"), scene.address("verified.test", "perm")
    scene.postfix.submit([good])
    with pytest.raises(AssertionError, match="550"):
        scene.postfix.submit([hard])
    assert good in scene.plain.recipients()
    status = {who: word for who, word, _ in scene.postfix.results()}
    assert status[hard] == "undeliverable"


def test_a_site_that_is_not_there(scene: Scene) -> None:
    address = scene.address("dead.test")
    queue_id = scene.postfix.submit([address])
    assert scene.wait_for(address) == {address: ("deferred", "4.4.1")}
    assert "connect to 127.0.0.1[127.0.0.1]:1: Connection refused" in scene.postfix.log_text()
    scene.postfix.wait_for(lambda: queue_id in scene.postfix.queue_ids("deferred"), "it to wait")
    # The site is one of relay_domains: its mail can be asked for by name.
    scene.postfix.wait_for(lambda: (scene.postfix.spool / "flush" / "dead_test").exists(), "the flush service to know")
    scene.postfix.run("postqueue", "-s", "dead.test")


def test_a_corrupt_file_is_moved_away(scene: Scene) -> None:
    scene.postfix.run("postconf", "-e", "defer_transports = smtp")
    scene.postfix.run("postfix", "reload")
    address = scene.address()
    queue_id = scene.postfix.submit([address], "Subject: broken\n\n" + "a line of some text\n" * 300)
    scene.postfix.wait_for(lambda: queue_id in scene.postfix.queue_ids("deferred"), "it to be deferred")
    path = next(path for path in (scene.postfix.spool / "deferred").rglob(queue_id))
    octets = bytearray(path.read_bytes())
    where = octets.index(b"N\x13a line of some text", len(octets) // 2)
    octets[where] = ord("?")
    path.write_bytes(octets)
    os.utime(path, (1.7e9, 1.7e9))
    scene.postfix.run("postconf", "-e", "defer_transports =")
    scene.postfix.run("postfix", "reload")
    scene.postfix.run("postqueue", "-i", queue_id)
    scene.postfix.wait_for(lambda: queue_id in scene.postfix.queue_ids("corrupt"), "the file to be moved")
    log = scene.postfix.log_text()
    assert f"{queue_id}: bad record type: 63 in message content" in log
    assert "corrupted queue file: active/" in log
    assert address not in scene.plain.recipients()
    assert scene.wait_for(address) == {address: ("bounced", "5.3.0")}


def test_a_large_message_costs_no_memory(scene: Scene) -> None:
    address = scene.address()
    line = "x" * 69 + "\n"
    scene.postfix.submit([address], "Subject: large\n\n" + line * (LARGE_OCTETS // len(line)))
    assert scene.wait_for(address) == {address: ("sent", "2.0.0")}
    taken = next(message for message in scene.plain.taken if address in message.recipients)
    assert len(taken.content) > LARGE_OCTETS
    scene.plain.taken.remove(taken)
    peaks = [peak_kilobytes(process) for process in scene.postfix.processes("agent --transport smtp")]
    assert peaks
    assert max(peaks) < MEMORY_LIMIT_KILOBYTES


def peak_kilobytes(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def test_a_thousand_recipients(scene: Scene) -> None:
    addresses = [scene.address() for _ in range(MANY_RECIPIENTS)]
    queue_id = scene.postfix.submit(addresses)
    scene.postfix.wait_for_log(f"{queue_id}: removed")
    assert set(scene.wait_for(*addresses).values()) == {("sent", "2.0.0")}
    got = [recipient for recipient in scene.plain.recipients() if recipient in set(addresses)]
    assert sorted(got) == sorted(addresses)
