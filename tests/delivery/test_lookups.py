from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from mailrider.delivery.lookups import Lookups, match_nothing, open_lookups
from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.model.request import Transport
from mailrider.settings import HostFacts, Settings
from mailrider.settings.loading import load_settings

PARAMETERS = {
    "discard_by_address": "smtp_discard_ehlo_keyword_address_maps",
    "pix_by_address": "smtp_pix_workaround_maps",
    "reply_filter": "smtp_reply_filter",
    "status_filter": "smtp_delivery_status_filter",
    "header_checks": "smtp_header_checks",
    "mime_header_checks": "smtp_mime_header_checks",
    "nested_header_checks": "smtp_nested_header_checks",
    "body_checks": "smtp_body_checks",
}


def settings_of(*overrides: str, transport: Transport = Transport.SMTP) -> Settings:
    return load_settings(None, overrides, host=HostFacts("me.example.test")).bind(transport)


def mirror(name: str) -> str:
    return name.replace("smtp_", "lmtp_").replace("ehlo", "lhlo")


def refuse_warning(text: str) -> None:
    raise AssertionError(text)


def test_what_is_not_configured_costs_nothing() -> None:
    assert open_lookups(settings_of(), refuse_warning) == Lookups()
    assert Lookups().keeps_connections_to is match_nothing
    assert not match_nothing("")


@pytest.mark.parametrize("field", PARAMETERS)
@pytest.mark.parametrize("transport", Transport)
def test_each_lookup_reads_its_own_parameter(field: str, transport: Transport) -> None:
    smtp, lmtp = PARAMETERS[field], mirror(PARAMETERS[field])
    overrides = [f"{smtp}=inline:{{key=smtp}}", f"{lmtp}=inline:{{key=lmtp}}"]
    opened = open_lookups(settings_of(*overrides, transport=transport), refuse_warning)
    find: Callable[[str], str | None] = getattr(opened, field)
    assert find("key") == transport.value
    assert find("other") is None
    others = {each.name for each in dataclasses.fields(Lookups)} - {field, "keeps_connections_to", "tells_dialogue"}
    assert all(getattr(opened, other) is None for other in others)


@pytest.mark.parametrize("field", PARAMETERS)
def test_only_lines_from_servers_are_compared_without_regard_to_case(field: str) -> None:
    opened = open_lookups(settings_of(f"{PARAMETERS[field]}=inline:{{key=small, Other=large}}"), refuse_warning)
    find: Callable[[str], str | None] = getattr(opened, field)
    found = [find(key) for key in ("KEY", "key", "other", "Other")]
    assert found == (["small", "small", "large", "large"] if field == "reply_filter" else [None, "small", None, "large"])


def test_the_first_table_that_has_the_key_answers() -> None:
    opened = open_lookups(settings_of("smtp_reply_filter=inline:{a=1}, inline:{a=2, b=3}"), refuse_warning)
    assert opened.reply_filter is not None
    assert [opened.reply_filter(key) for key in "abc"] == ["1", "3", None]


@pytest.mark.parametrize("field", PARAMETERS)
@pytest.mark.parametrize("transport", Transport)
def test_a_table_that_cannot_be_opened_is_named_with_its_parameter(field: str, transport: Transport) -> None:
    name = PARAMETERS[field] if transport is Transport.SMTP else mirror(PARAMETERS[field])
    with pytest.raises(WrongConfiguration, match=f"{name}.*nonsense"):
        open_lookups(settings_of(f"{name}=nonsense:/x", transport=transport), refuse_warning)


def test_an_empty_answer_is_trouble_and_names_the_parameter() -> None:
    opened = open_lookups(settings_of("smtp_pix_workaround_maps=static:{}"), refuse_warning)
    assert opened.pix_by_address is not None
    with pytest.raises(TableTrouble, match=r"^smtp_pix_workaround_maps: "):
        opened.pix_by_address("192.0.2.1")


@pytest.mark.parametrize("transport", Transport)
def test_connections_are_kept_to_listed_destinations(transport: Transport) -> None:
    name = f"{transport.value}_connection_cache_destinations"
    opened = open_lookups(settings_of(f"{name}=a.test, 127.0.0.1", transport=transport), refuse_warning)
    assert [opened.keeps_connections_to(name) for name in ("a.test", "127.0.0.1", "b.test", "x.a.test")] == [
        True, True, False, False,
    ]  # fmt: skip


def test_a_list_of_destinations_that_cannot_answer_is_no_reason_not_to_deliver() -> None:
    told: list[str] = []
    lookups = open_lookups(settings_of("smtp_connection_cache_destinations=a.test, fail:nothing"), told.append)
    assert lookups.keeps_connections_to("a.test")
    assert told == []
    assert not lookups.keeps_connections_to("b.test")
    assert len(told) == 1
    assert told[0].startswith("smtp_connection_cache_destinations: fail:nothing")


def test_debug_peers_are_known_by_name_and_address() -> None:
    told: list[str] = []
    lookups = open_lookups(settings_of("debug_peer_list=example.com, 192.0.2.0/24, fail:nothing"), told.append)
    assert lookups.tells_dialogue("mx.example.com", "198.51.100.1")
    assert lookups.tells_dialogue("mx.example.net", "192.0.2.7")
    assert not lookups.tells_dialogue("mx.example.net", "198.51.100.1")
    assert len(told) == 1  # a table that cannot answer is no reason not to deliver
