"""Which service of master.cf a request goes through."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailrider.cli.parcels import Batch, parse_request
from mailrider.cli.services import assign_services
from mailrider.errors import WrongConfiguration, WrongUsage
from mailrider.settings import HostFacts, Settings, load_settings

MASTER_CF = """\
smtp   unix - - n - - smtp -o smtp_helo_timeout=1
relay  unix - - n - - smtp -o smtp_helo_timeout=2
cyrus  unix - - n - - lmtp -o lmtp_lhlo_timeout=3
broken unix - - n - - smtp -o smtp_helo_timeout=4x
local  unix - n n - - local
"""


def settings_of(directory: Path, master_cf: str | None = MASTER_CF) -> Settings:
    (directory / "main.cf").write_text("")
    if master_cf is not None:
        (directory / "master.cf").write_text(master_cf)
    return load_settings(directory, host=HostFacts("client.test"))


def batch_of(*requests: dict[str, str]) -> Batch:
    fixed = {"nexthop": "example.test", "sender": "", "recipients": ["b@example.test"], "message_file": "-"}
    return Batch(True, tuple(parse_request({**fixed, **request}) for request in requests))


@pytest.mark.parametrize(
    ("request_", "service", "transport", "seconds"),
    [
        ({}, "smtp", "smtp", 1.0),
        ({"transport": "smtp"}, "smtp", "smtp", 1.0),
        ({"service": "relay"}, "relay", "smtp", 2.0),
        ({"service": "relay", "transport": "smtp"}, "relay", "smtp", 2.0),
        ({"service": "cyrus"}, "cyrus", "lmtp", 3.0),
        ({"transport": "lmtp"}, "lmtp", "lmtp", 300.0),
    ],
)
def test_a_service_brings_its_protocol_and_settings(
    tmp_path: Path, request_: dict[str, str], service: str, transport: str, seconds: float
) -> None:
    batch, (reading,) = assign_services(batch_of(request_), settings_of(tmp_path))
    (parcel,) = batch.parcels
    assert (parcel.service, parcel.transport.value, reading.smtp_helo_timeout) == (service, transport, seconds)


def test_every_service_is_read_once(tmp_path: Path) -> None:
    given = batch_of({"service": "relay"}, {"service": "cyrus"}, {"service": "relay"})
    batch, readings = assign_services(given, settings_of(tmp_path))
    assert [parcel.transport.value for parcel in batch.parcels] == ["smtp", "lmtp", "smtp"]
    assert len(readings) == 2


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        ({"service": "nosuch"}, "its delivery agents are broken, cyrus, relay, smtp"),
        ({"service": "local"}, "is no delivery agent"),
        ({"service": "cyrus", "transport": "smtp"}, "speaks lmtp"),
    ],
)
def test_a_service_that_is_not_there_is_refused(tmp_path: Path, request_: dict[str, str], complaint: str) -> None:
    with pytest.raises(WrongUsage, match=complaint):
        assign_services(batch_of(request_), settings_of(tmp_path))


def test_a_wrong_setting_of_a_service_is_found_before_mail_goes_out(tmp_path: Path) -> None:
    with pytest.raises(WrongConfiguration, match=r"master\.cf, line 4: smtp_helo_timeout = 4x"):
        assign_services(batch_of({"service": "broken"}), settings_of(tmp_path))


def test_without_a_master_cf_a_service_is_a_name(tmp_path: Path) -> None:
    given = batch_of({"service": "anything"})
    batch, (reading,) = assign_services(given, settings_of(tmp_path, None))
    assert batch is given
    assert reading.text("service_name") == "anything"
