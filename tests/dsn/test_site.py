"""Who writes notices, as the settings say it."""

from __future__ import annotations

from mailrider.dsn.report import Site
from mailrider.dsn.site import read_site
from mailrider.settings import HostFacts, load_settings


def read(*overrides: str) -> Site:
    return read_site(load_settings(None, overrides, host=HostFacts("mail.here.example")))


def test_without_a_word_of_the_operator_it_is_the_site_of_this_host() -> None:
    site = read("compatibility_level=3.7")
    assert (site.host_name, site.origin) == ("mail.here.example", "mail.here.example")
    assert site == Site(site.host_name, site.origin, site.lookup, site.seconds_of)
    assert site.lookup("mail_name") == "Postfix"
    assert site.seconds_of("maximal_queue_lifetime") == 432_000


def test_what_the_operator_says_is_heard() -> None:
    site = read(
        "mail_name=Mailrider", "bounce_size_limit=7", "notify_classes=bounce delay", "error_notice_recipient=ops",
        "header_from_format=obsolete", "smtputf8_enable=no", "requiretls_redact_dsn=no",
    )  # fmt: skip
    assert (site.mail_name, site.size_limit_octets, site.classes) == ("Mailrider", 7, {"bounce", "delay"})
    assert (site.error_recipient, site.obsolete_sender, site.eight_bit, site.redacts) == ("ops", True, False, False)
