"""`mailrider config init DIR`: a commented main.cf to start from, with today's good practice.

What is not in effect yet in this release stands in the file as a comment, so that what is written is what works.  A main.cf
that is there already is never touched.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from mailrider.errors import CannotCreate
from mailrider.settings import Settings
from mailrider.settings.loading import MAIN_CF


class Proposal(NamedTuple):
    """One setting with what is to be said about it; `example` ones are written as comments, for the operator to fill in."""

    name: str
    value: str
    words: str
    example: bool = False


CHAPTERS: tuple[tuple[str, tuple[Proposal, ...]], ...] = (
    (
        "Defaults",
        (
            Proposal("compatibility_level", "3.6", "Defaults as of this release of Postfix; 0 would mean those of long ago."),
            Proposal("smtputf8_enable", "yes", "Understand addresses and headers in UTF-8 (RFC 6531)."),
        ),
    ),
    (
        "Who we are",
        (
            Proposal(
                "myhostname", "mail.example.com",
                "The full name of this host.  Servers expect that it resolves to our address, and our address to it.", True,
            ),
            Proposal("smtp_helo_name", "$myhostname", "The name in EHLO, where it has to be another one.", True),
            Proposal("smtp_bind_address", "192.0.2.1", "The address to send from, on a host with several.", True),
        ),
    ),
    (
        "Where mail goes",
        (
            Proposal("relayhost", "[smtp.example.com]:587", "Send everything through this server instead of directly.", True),
            Proposal(
                "smtp_fallback_relay", "[backup.example.com]:25", "Where mail goes whose own servers cannot be reached.", True,
            ),
            Proposal("smtp_address_preference", "any", "Try IPv6 and IPv4 in random order."),
            Proposal("mydestination", "", "A node has no mailboxes: mail for this host itself goes where DNS says, too."),
        ),
    ),
    (
        "TLS",
        (
            Proposal(
                "smtp_dns_support_level", "dnssec",
                "Ask the resolver which answers were validated.  It must be one that validates, on this host or near it.",
            ),
            Proposal(
                "smtp_tls_security_level", "dane",
                "Encrypt wherever that is possible, and authenticate servers that publish TLSA records (RFC 7672).",
            ),
            Proposal("smtp_tls_mta_sts", "yes", "Obey what domains demand by MTA-STS (RFC 8461)."),
            Proposal(
                "tls_eecdh_auto_curves", "",
                "Leave the groups for key exchange to the TLS library, which knows newer ones than Postfix 3.7 did.",
            ),
            Proposal("smtp_tls_loglevel", "1", "One log line for each handshake."),
            Proposal(
                "tls_report_directory", "$data_directory/tls-reports",
                "Keep what TLS came to with domains that ask for reports (RFC 8460).", True,
            ),
            Proposal("tls_report_send", "yes", "Let the node send them those reports, once a day.", True),
            Proposal("tls_report_contact", "tls-reports@example.com", "Their sender, who answers questions.", True),
            Proposal("tls_report_dkim_selector", "mail", "Reports by mail must be signed (DKIM).", True),
            Proposal("tls_report_dkim_key_file", "/etc/mailrider/dkim.pem", "The key, readable by the node.", True),
            Proposal("smtp_log_tls_feature_status", "yes", "Say in each status line how much TLS there was (tls=...)."),
        ),
    ),
    (
        "A node of our own (mailrider serve)",
        (
            Proposal(
                "data_directory", "/var/lib/mailrider",
                "Where it keeps what it has learned, such as MTA-STS policies.  Postfix's default is a folder of Postfix.",
            ),
            Proposal("queue_directory", "$data_directory/queue", "Where mail is kept.  This folder holds nothing else."),
            Proposal("retry_jitter", "10", "Per cent of each pause that are added at random."),
            Proposal("intake_smtp_listen", "127.0.0.1:2525", "Where mail is taken in by SMTP.", True),
        ),
    ),
    (
        "Speed",
        (
            Proposal("smtp_chunking", "yes", "Send with BDAT where the server offers it (RFC 3030)."),
            Proposal("smtp_connection_cache_on_demand", "yes", "Keep a connection while there is more mail for it."),
            Proposal(
                "smtp_destination_concurrency_limit", "20", "How many deliveries may go to one destination at once.",
            ),
        ),
    ),
)  # fmt: skip

_BEGINNING = """\
# The configuration of Mailrider, in the format of Postfix's main.cf (postconf(5)).
#
#   mailrider config -n       shows what is set here
#   mailrider config check    says what is wrong or doubtful
#
# A line that begins with a blank continues the line before it.  What is not set here has the default of Postfix 3.7.
"""


def render_main_cf() -> str:
    """The text of the file."""
    lines = [_BEGINNING]
    for title, proposals in CHAPTERS:
        lines.append(f"\n# {title}\n")
        for name, value, words, example in proposals:
            parameter = Settings.find(name)
            waits = parameter is not None and not parameter.in_effect
            lines.append(f"# {words}{'  Not in effect yet.' if waits else ''}\n")
            lines.append(f"{'#' if example or waits else ''}{name} = {value}\n")
    return "".join(lines)


def write_main_cf(directory: Path) -> Path:
    """Make the directory and the file in it; raises `CannotCreate` where that cannot be done or a main.cf is there."""
    path = directory / MAIN_CF
    try:
        if not directory.is_dir():
            directory.mkdir(parents=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(render_main_cf())
    except FileExistsError:
        taken = path if directory.is_dir() else directory
        raise CannotCreate(f"{taken} is there already, and is left as it is") from None
    except OSError as error:
        raise CannotCreate(f"cannot write {path}: {error.strerror or error}") from None
    return path
