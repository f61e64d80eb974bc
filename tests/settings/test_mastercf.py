from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.errors import WrongConfiguration
from mailrider.model.request import Transport
from mailrider.settings import HostFacts, load_settings, mastercf
from mailrider.settings.mastercf import parse_master_cf, parse_orders, read_master_cf

from .postconf import ask_postconf, needs_postconf

DEBIAN = """\
# service type  private unpriv  chroot  wakeup  maxproc command + args
smtp      inet  n       -       y       -       -       smtpd
#628      inet  n       -       y       -       -       qmqpd
tlsmgr    unix  -       -       y       1000?   1       tlsmgr
smtp      unix  -       -       y       -       -       smtp
relay     unix  -       -       y       -       5       smtp
        -o syslog_name=postfix/$service_name
# a comment in between

#       -o smtp_helo_timeout=5
        -o { smtp_helo_timeout = 7 s }
lmtp      unix  -       -       y       -       -       lmtp flags=RX
maildrop  unix  -       n       n       -       -       pipe
  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}
"""

LINE = "relay unix - - n - - smtp "
HOST = HostFacts("client.example")


def agent(arguments: str, name: str = "relay") -> mastercf.Service:
    found = parse_master_cf(LINE + arguments, "master.cf").delivery_agent(name)
    assert found is not None
    return found


def values(arguments: str) -> dict[str, str]:
    return {name: entry.value for name, entry in parse_orders(agent(arguments)).overrides.items()}


def test_services_are_found_by_name_and_program() -> None:
    parsed = parse_master_cf(DEBIAN, "master.cf")
    assert len(parsed.services) == 6
    assert parsed.warnings == ()
    relay = parsed.delivery_agent("relay")
    assert relay is not None
    assert (relay.transport, relay.process_limit, relay.place) == (Transport.SMTP, 5, "master.cf, line 6")
    smtp = parsed.delivery_agent("smtp")
    assert smtp is not None
    assert (smtp.type, smtp.program) == ("unix", "smtp")
    assert parsed.delivery_agent("maildrop") is None
    assert parsed.delivery_agent("tlsmgr") is None
    assert parsed.delivery_agent("nobody") is None


def test_overrides_and_flags_are_read() -> None:
    parsed = parse_master_cf(DEBIAN, "master.cf")
    relay, lmtp = parsed.delivery_agent("relay"), parsed.delivery_agent("lmtp")
    assert relay is not None
    assert lmtp is not None
    orders = parse_orders(relay)
    assert {name: entry.value for name, entry in orders.overrides.items()} == {
        "syslog_name": "postfix/$service_name",
        "smtp_helo_timeout": "7 s",
    }
    assert orders.overrides["syslog_name"].place == "master.cf, line 6"
    assert orders.flags == ""
    assert (parse_orders(lmtp).flags, lmtp.transport) == ("RX", Transport.LMTP)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("-o a=1", {"a": "1"}),
        ("-oa=1", {"a": "1"}),
        ("-o a=1 -o a=2", {"a": "2"}),
        ("-o {a = b c}", {"a": "b c"}),
        ("-o {  a={x} {y}  }", {"a": "{x} {y}"}),
        ("-o { a = {b} }", {"a": "{b}"}),
        ("-o a=${b?{c d}:{e}}", {"a": "${b?{c d}:{e}}"}),
        ("-o a=", {"a": ""}),
        ("-v -v -o a=b=c", {"a": "b=c"}),
        ("-vo a=1", {"a": "1"}),
        ("-D -o a=1 flags=D", {"a": "1"}),
        ("-o a=1 -- flags=D", {"a": "1"}),
    ],
)
def test_options(arguments: str, expected: dict[str, str]) -> None:
    assert values(arguments) == expected


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("relay unix - - n - -", "command is missing"),
        ("relay", "service type is missing"),
        ("relay tcp - - n - - smtp", "bad service type"),
        ("relay unix x - n - - smtp", "bad private"),
        ("relay unix - 1 n - - smtp", "bad unprivileged"),
        ("relay unix - - Y - - smtp", "bad chroot"),
        ("relay unix - - n x - smtp", "bad wakeup time"),
        ("relay unix - - n - 1? smtp", "bad process limit"),
        ("smtp inet - - n - - smtpd", "cannot be private"),
        ("relay unix - - n - - smtp -o {a=1}x", "after '}'"),
        ("relay unix - - n - - smtp -o {a=1", "missing '}'"),
    ],
)
def test_what_master_would_not_accept_names_file_and_line(line: str, complaint: str) -> None:
    with pytest.raises(WrongConfiguration) as caught:
        parse_master_cf(f"# c\n{line}\n", "master.cf")
    assert str(caught.value).startswith("master.cf, line 2: ")
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("-o", "-o needs a value"),
        ("-o a", "needs name=value"),
        ("-o {a b = c}", "needs name=value"),
        ("-o =a", "needs name=value"),
        ("-q", "unknown option"),
        ("user=me", "expected flags=DORX"),
        ("flags=DQ", 'unknown flag "Q"'),
        ("flags=D extra", "unknown attribute"),
    ],
)
def test_what_smtp_would_not_accept_names_the_service(arguments: str, complaint: str) -> None:
    service = agent(arguments)
    with pytest.raises(WrongConfiguration) as caught:
        parse_orders(service)
    assert str(caught.value).startswith("master.cf, line 1: service relay: ")
    assert complaint in str(caught.value)


def test_the_last_of_two_services_counts_with_a_warning() -> None:
    parsed = parse_master_cf(f"{LINE}-o a=1\n{LINE}-o a=2\n", "master.cf")
    assert parsed.warnings == ("master.cf, line 2: overriding earlier entry: relay unix",)
    service = parsed.delivery_agent("relay")
    assert service is not None
    assert parse_orders(service).overrides["a"].value == "2"


def test_there_is_an_end_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mastercf, "SERVICES_LIMIT", 1)
    with pytest.raises(WrongConfiguration, match="more than 1 services"):
        parse_master_cf(f"{LINE}\nb unix - - n - - smtp\n", "master.cf")


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "master.cf").write_text(DEBIAN)
    assert len(read_master_cf(tmp_path / "master.cf").services) == 6
    with pytest.raises(WrongConfiguration, match="cannot read"):
        read_master_cf(tmp_path / "nosuch")


@given(st.text(alphabet="ab{}=- \n\t#o\0", max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    complaint = "master.cf, line 1: "
    try:
        parsed = parse_master_cf(f"{LINE}{text}", "master.cf")
        for service in parsed.services.values():
            if service.transport is not None:
                assert set(parse_orders(service).flags) <= set("DORX")
    except WrongConfiguration as refused:
        complaint = str(refused)
    assert complaint.startswith("master.cf, line ")


@needs_postconf
def test_postconf_reads_it_alike(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("")
    (tmp_path / "master.cf").write_text(DEBIAN)
    theirs = ask_postconf("-c", str(tmp_path), "-P").splitlines()
    parsed = parse_master_cf(DEBIAN, "master.cf")
    ours = [
        f"{service.name}/{service.type}/{name} = {entry.value}"
        for service in parsed.services.values()
        if service.transport is not None
        for name, entry in sorted(parse_orders(service).overrides.items())
    ]
    assert ours == theirs


# -- what holds for a service


def write(directory: Path, main_cf: str, master_cf: str) -> Path:
    (directory / "main.cf").write_text(main_cf)
    (directory / "master.cf").write_text(master_cf)
    return directory


def test_a_service_has_settings_of_its_own(tmp_path: Path) -> None:
    main_cf = "smtp_helo_timeout = 1s\nsmtp_mail_timeout = 2s\nsmtp_rcpt_timeout = 3s\n"
    options = "-o smtp_mail_timeout=20s -o smtp_rcpt_timeout=30s -o smtp_helo_name=$service_name.$process_name flags=R"
    directory = write(tmp_path, main_cf, LINE + options)
    settings = load_settings(directory, ["smtp_rcpt_timeout=300s"], host=HOST)
    relay = settings.for_service("relay", Transport.SMTP)
    assert (relay.smtp_helo_timeout, relay.smtp_mail_timeout, relay.smtp_rcpt_timeout) == (1.0, 20.0, 300.0)
    assert relay.smtp_helo_name == "relay.smtp"
    assert relay.delivery_flags == "R"
    assert settings.for_service("relay", Transport.SMTP) is relay
    assert (settings.smtp_mail_timeout, settings.delivery_flags) == (2.0, "")
    other = settings.for_service("other", Transport.LMTP)
    assert (other.smtp_mail_timeout, other.text("service_name"), other.text("process_name")) == (300.0, "other", "lmtp")


def test_a_wrong_value_of_a_service_names_master_cf(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, "", LINE + "-o smtp_helo_timeout=5x"), host=HOST)
    with pytest.raises(WrongConfiguration) as caught:
        settings.for_service("relay", Transport.SMTP).check()
    assert str(caught.value).startswith(f"{tmp_path}/master.cf, line 1: smtp_helo_timeout = 5x: expected a time")


def test_what_only_the_queue_reads_is_said_to_be_in_vain(tmp_path: Path) -> None:
    options = "-o relay_destination_recipient_limit=1 -o default_destination_concurrency_limit=1 -o smtp_helo_timeout=1"
    settings = load_settings(write(tmp_path, "", LINE + options), host=HOST)
    relay = settings.for_service("relay", Transport.SMTP)
    place = f"{tmp_path}/master.cf, line 1: -o"
    assert relay.warnings == (
        f"{place} relay_destination_recipient_limit has no effect in master.cf; set it in main.cf",
        f"{place} default_destination_concurrency_limit has no effect in master.cf; set it in main.cf",
    )
