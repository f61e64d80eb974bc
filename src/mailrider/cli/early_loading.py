"""What is loaded at its first use elsewhere is loaded here before privileges are given up.

Behind a chroot, or where Python lies in a folder that the owner of the mail may not read, it could not be found any more.
It is done before there are workers, so that they share the memory.  Agents and nodes do it.
"""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import Final

from mailrider.cli.tls_trial import list_agents, says_something_of_tls
from mailrider.settings import Settings
from mailrider.settings.maincf import Entry
from mailrider.tls.openssl_settings import load_openssl

CODECS: Final = (
    "encodings.idna", "encodings.punycode", "encodings.ascii", "encodings.latin_1", "stringprep", "idna", "socket",
    "asyncio.sslproto", "ipaddress", "uvloop",
)  # fmt: skip
RECORD_TYPES: Final = (
    "dns.rdtypes.IN.A", "dns.rdtypes.IN.AAAA", "dns.rdtypes.ANY.MX", "dns.rdtypes.ANY.CNAME", "dns.rdtypes.ANY.SOA",
    "dns.rdtypes.ANY.NS", "dns.rdtypes.ANY.TXT", "dns.rdtypes.ANY.PTR", "dns.rdtypes.ANY.TLSA", "dns.rdtypes.ANY.OPT",
    "dns.rdtypes.ANY.RRSIG", "dns.rdtypes.IN.SRV", "dns.message", "dns.wire", "dns.rdata", "dns.rcode", "dns.flags",
)  # fmt: skip
CORE: Final = (
    "mailrider.delivery.agent", "mailrider.resolver.rdata", "mailrider.resolver.packet", "mailrider.resolver.native",
    "mailrider.smtp.chunked",
)  # fmt: skip
TLS: Final = (
    "mailrider.tls.channel", "mailrider.tls.context", "mailrider.tls.certificate", "mailrider.tls.verdict",
    "mailrider.tls.trace",
    "cryptography.x509", "cryptography.exceptions", "cryptography.hazmat.primitives.serialization", "OpenSSL.SSL",
)  # fmt: skip
LOGIN: Final = (
    "mailrider.sasl.scram", "mailrider.sasl.digest_md5", "mailrider.sasl.cram_md5", "mailrider.sasl.simple",
    "mailrider.sasl.ntlm", "mailrider.sasl.kerberos", "scramp.utils", "sqlite3", "hashlib", "spnego", "gssapi",
)  # fmt: skip
REPORTS: Final = (
    "mailrider.dsn.tls_report", "mailrider.dsn.signature", "dkim", "gzip", "email.message", "email.policy",
    "email.generator", "ssl",
)  # fmt: skip
FETCHING: Final = ("httpx", "httpcore", "h11", "anyio._backends._asyncio", "certifi")


def list_entries(settings: Settings) -> list[Entry]:
    """What main.cf, the command line and the delivery agents of master.cf set."""
    readings = [settings, *(settings.for_service(*agent) for agent in list_agents(settings))]
    return list(dict.fromkeys(entry for reading in readings for entry in reading.entries.values()))


def load_early(settings: Settings) -> None:
    """Load what these settings may come to need.  What is not installed is not missed before it is used."""
    load_openssl(settings.tls_config_file, settings.tls_config_name)  # it comes before anything else that loads OpenSSL
    names = [*CODECS, *RECORD_TYPES, *CORE]
    entries = list_entries(settings)
    if says_something_of_tls(entry.name for entry in entries):
        names += TLS
    if any("_sasl_" in entry.name for entry in entries):
        names += LOGIN
        if any("token" in entry.name or "token" in entry.value for entry in entries):
            names += FETCHING
    if any("_mta_sts" in entry.name for entry in entries):
        names += FETCHING
    if settings.tls_report_send:
        names += (*REPORTS, *FETCHING)
    for name in names:
        with suppress(ImportError):
            importlib.import_module(name)
