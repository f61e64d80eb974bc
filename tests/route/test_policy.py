from __future__ import annotations

import random
from pathlib import Path

import pytest

from mailrider.errors import WrongConfiguration
from mailrider.model.request import Transport
from mailrider.model.server import Family
from mailrider.resolver.answer import Search
from mailrider.route.policy import DnsSupport, RoutePolicy, enabled_families, route_policy
from mailrider.settings import HostFacts, Settings, load_settings


def settings(*overrides: str, transport: Transport = Transport.SMTP) -> Settings:
    return load_settings(None, overrides, host=HostFacts("client.test"), transport=transport)


def policy(*overrides: str, transport: Transport = Transport.SMTP) -> RoutePolicy:
    return route_policy(settings(*overrides, transport=transport), ["192.0.2.1"], chance=random.Random(1))


def test_the_defaults_of_policy_and_settings_agree() -> None:
    made = policy()
    chance = made.chance
    assert made == RoutePolicy(own_addresses=frozenset({"192.0.2.1"}), my_hostname="client.test", chance=chance)
    assert made.record_types == ("A", "AAAA")
    assert made.only_family is None


@pytest.mark.parametrize(
    ("overrides", "dns", "native", "level"),
    [
        ((), True, False, DnsSupport.ENABLED),
        (("smtp_host_lookup=native",), False, True, DnsSupport.ENABLED),
        (("smtp_host_lookup=native, dns",), True, True, DnsSupport.ENABLED),
        (("disable_dns_lookups=yes",), False, True, DnsSupport.DISABLED),
        (("smtp_dns_support_level=disabled",), False, True, DnsSupport.DISABLED),
        (("smtp_dns_support_level=enabled", "disable_dns_lookups=yes"), True, False, DnsSupport.ENABLED),
        (("smtp_dns_support_level=dnssec",), True, False, DnsSupport.DNSSEC),
    ],
)
def test_where_hosts_are_looked_up(overrides: tuple[str, ...], dns: bool, native: bool, level: DnsSupport) -> None:
    made = policy(*overrides)
    assert (made.host_dns, made.host_native, made.dns) == (dns, native, level)


@pytest.mark.parametrize(
    ("value", "families"),
    [
        ("all", (Family.IPV4, Family.IPV6)),
        ("ipv6, ipv4", (Family.IPV4, Family.IPV6)),
        ("ipv4", (Family.IPV4,)),
        ("ipv6", (Family.IPV6,)),
    ],
)
def test_families(value: str, families: tuple[Family, ...]) -> None:
    assert enabled_families(settings(f"inet_protocols={value}")) == families
    assert policy(f"inet_protocols={value}").families == families


def test_families_that_this_host_has_not() -> None:
    made = route_policy(settings(), families=[Family.IPV4])
    assert made.families == (Family.IPV4,)
    assert made.only_family is Family.IPV4
    assert made.record_types == ("A",)


@pytest.mark.parametrize(
    ("overrides", "first"),
    [
        ((), None),
        (("smtp_address_preference=ipv6",), Family.IPV6),
        (("smtp_address_preference=ipv4",), Family.IPV4),
        (("smtp_address_preference=ipv4", "inet_protocols=ipv4"), None),
    ],
)
def test_the_preferred_family(overrides: tuple[str, ...], first: Family | None) -> None:
    assert policy(*overrides).first_family is first


@pytest.mark.parameter("smtp_dns_resolver_options")
@pytest.mark.parametrize(
    ("value", "search"),
    [
        ("", Search.NONE),
        ("res_defnames", Search.DEFNAMES),
        ("res_dnsrch", Search.DNSRCH),
        ("res_dnsrch, res_defnames", Search.DEFNAMES | Search.DNSRCH),
    ],
)
def test_the_search_list(value: str, search: Search) -> None:
    assert policy(f"smtp_dns_resolver_options={value}").search == search


def test_validation_of_hosts_whose_exchangers_were_not() -> None:
    dane = ("smtp_dns_support_level=dnssec", "smtp_tls_security_level=dane")
    assert policy(*dane).validate_all_hosts
    assert not policy("smtp_tls_security_level=dane").validate_all_hosts
    assert not policy(*dane, "smtp_tls_dane_insecure_mx_policy=may").validate_all_hosts
    assert not policy("smtp_dns_support_level=dnssec").validate_all_hosts


def test_the_parameters_of_the_other_transport() -> None:
    made = policy("lmtp_mx_address_limit=3", "smtp_mx_address_limit=7", transport=Transport.LMTP)
    assert (made.transport, made.address_limit) == (Transport.LMTP, 3)


@pytest.mark.parametrize(
    ("value", "service", "used"),
    [
        ("", "submission", False),
        ("submission", "submission", True),
        ("Submission, smtp", "SMTP", True),
        ("!submission, submission", "submission", False),
        ("!!submission", "submission", True),
        ("smtp", "submission", False),
    ],
)
def test_services_found_by_srv_records(value: str, service: str, used: bool) -> None:
    assert policy(f"use_srv_lookup={value}").uses_service_records(service) == used


def test_services_may_stand_in_files_and_tables(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("# services\nsubmission\n")
    for value in (f"{tmp_path}/list", "!smtp, static:all", "inline:{submission=yes}"):
        uses = policy(f"use_srv_lookup={value}").uses_service_records
        assert (uses("submission"), uses("smtp")) == (True, False)


@pytest.mark.parametrize("value", ["/nonexistent/list", "texthash:/nonexistent/table", "!/nonexistent/list"])
def test_a_list_of_services_that_cannot_be_read_is_refused(value: str) -> None:
    with pytest.raises(WrongConfiguration, match="use_srv_lookup"):
        policy(f"use_srv_lookup={value}")


def test_a_table_of_services_that_cannot_answer_is_a_miss_and_told() -> None:
    told: list[str] = []
    made = route_policy(settings("use_srv_lookup=fail:x, submission"), warn=told.append)
    assert not made.uses_service_records("submission")
    assert len(told) == 1
    assert told[0].startswith("use_srv_lookup: ")


def test_the_plain_ones() -> None:
    made = policy(
        "smtp_randomize_addresses=no",
        "smtp_balance_inet_protocols=no",
        "ignore_mx_lookup_error=yes",
        "smtp_defer_if_no_mx_address_found=yes",
        "ignore_srv_lookup_error=yes",
        "allow_srv_lookup_fallback=yes",
        "smtp_cname_overrides_servername=yes",
        "enable_idna2003_compatibility=yes",
        "myhostname=me.test",
    )
    assert not made.randomize
    assert not made.balance
    assert made.ignore_mx_lookup_error
    assert made.defer_if_no_mx_address
    assert made.ignore_srv_lookup_error
    assert made.allow_srv_lookup_fallback
    assert made.cname_overrides_servername
    assert made.idna2003
    assert made.my_hostname == "me.test"
