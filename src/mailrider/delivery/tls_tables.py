"""The tables that have a say in TLS, opened for one transport."""

from __future__ import annotations

from collections.abc import Callable

from mailrider.settings import Settings
from mailrider.tables.maps import Maps, open_maps
from mailrider.trust.decision import Tables


def open_tls_tables(settings: Settings, warn: Callable[[str], None]) -> Tables:
    """`smtp_tls_policy_maps`, and `smtp_tls_per_site` where there are none.  Raises `WrongConfiguration`."""
    prefix = settings.transport.value
    policies, sites = settings.smtp_tls_policy_maps, settings.smtp_tls_per_site
    if policies and sites:
        warn(f"{prefix}_tls_per_site ignored when {prefix}_tls_policy_maps is not empty.")

    def find(tables: tuple[str, ...], name: str) -> Maps | None:
        if not tables:
            return None
        return open_maps(f"{prefix}_{name}", " ".join(tables), warn=warn, find_parameter=settings.find_text)

    return Tables(find(policies, "tls_policy_maps"), find(sites, "tls_per_site") if not policies else None)
