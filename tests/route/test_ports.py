from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.errors import WrongUsage
from mailrider.route.ports import find_port

KNOWN = {"smtp": 25, "submission": 587, "zero": 0}


def services(name: str, protocol: str) -> int:
    if (name, protocol) == ("listed", "tcp"):
        return 4711
    raise OSError("service/proto not found")


@pytest.mark.parametrize(
    ("service", "port"), [("25", 25), ("1", 1), ("65535", 65535), ("0025", 25), ("smtp", 25), ("listed", 4711)]
)
def test_ports(service: str, port: int) -> None:
    assert find_port(service, KNOWN, services) == port


@pytest.mark.parametrize("service", ["0", "65536", "9" * 30, "000", "zero"])
def test_bad_ports(service: str) -> None:
    with pytest.raises(WrongUsage, match=f"^bad network port: {service}$"):
        find_port(service, KNOWN, services)


@pytest.mark.parametrize("service", ["SMTP", "none", "²5", "٣"])
def test_unknown_services(service: str) -> None:
    with pytest.raises(WrongUsage, match=f"^unknown service: {service}/tcp$"):
        find_port(service, KNOWN, services)


@given(st.text())
def test_any_text_is_a_port_or_a_refusal(service: str) -> None:
    try:
        port = find_port(service, KNOWN)
    except WrongUsage:
        return
    assert 0 < port <= 65535
