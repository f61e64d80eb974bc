"""TLS as a library sees it: cipher lists, curves, work-arounds; the same for every connection."""

from __future__ import annotations

from mailrider.settings.kinds import Choice, Count, Flag, Text, Words
from mailrider.settings.parameter import Section

WORKAROUNDS = (
    "CRYPTOPRO_TLSEXT_BUG", "CVE-2005-2969", "CVE-2010-4180", "DONT_INSERT_EMPTY_FRAGMENTS", "LEGACY_SERVER_CONNECT",
    "MICROSOFT_BIG_SSLV3_BUFFER", "MICROSOFT_SESS_ID_BUG", "MSIE_SSLV2_RSA_PADDING", "NETSCAPE_CHALLENGE_BUG",
    "NETSCAPE_REUSE_CIPHER_CHANGE_BUG", "SSLEAY_080_CLIENT_DH_BUG", "SSLREF2_REUSE_CERT_TYPE_BUG", "TLSEXT_PADDING",
    "TLS_BLOCK_PADDING_BUG", "TLS_D5_BUG", "TLS_ROLLBACK_BUG",
)  # fmt: skip

OPTIONS = (
    "ALLOW_NO_DHE_KEX", "CIPHER_SERVER_PREFERENCE", "ENABLE_KTLS", "ENABLE_MIDDLEBOX_COMPAT", "LEGACY_SERVER_CONNECT",
    "NO_ANTI_REPLAY", "NO_COMPRESSION", "NO_ENCRYPT_THEN_MAC", "NO_RENEGOTIATION",
    "NO_SESSION_RESUMPTION_ON_RENEGOTIATION", "NO_TICKET", "PRIORITIZE_CHACHA",
)  # fmt: skip


class TlsEngine(Section, title="TLS engine"):
    """What is set once for a process."""

    tls_high_cipherlist = Text(
        "aNULL:-aNULL:HIGH:@STRENGTH", "The ciphers of grade high, as OpenSSL writes them.",
        since="2.3", least=1, in_effect=True,
    )  # fmt: skip
    tls_medium_cipherlist = Text(
        "aNULL:-aNULL:HIGH:MEDIUM:+RC4:@STRENGTH", "The ciphers of grade medium or better.",
        since="2.3", least=1, in_effect=True,
    )  # fmt: skip
    tls_low_cipherlist = Text(
        "aNULL:-aNULL:HIGH:MEDIUM:LOW:+RC4:@STRENGTH", "The ciphers of grade low or better.",
        since="2.3", obsolete="Postfix 3.8 takes grade low for medium", replaced_by="tls_medium_cipherlist",
        in_effect=True,
    )  # fmt: skip
    tls_export_cipherlist = Text(
        "aNULL:-aNULL:HIGH:MEDIUM:LOW:EXPORT:+RC4:@STRENGTH", "The ciphers of any grade.",
        since="2.3", obsolete="Postfix 3.8 takes grade export for medium", replaced_by="tls_medium_cipherlist",
        in_effect=True,
    )  # fmt: skip
    tls_null_cipherlist = Text(
        "eNULL:!aNULL", "The ciphers that prove who the server is and encrypt nothing.",
        since="2.3", least=1, in_effect=True,
    )  # fmt: skip
    tls_eecdh_auto_curves = Words(
        "X25519 X448 prime256v1 secp521r1 secp384r1", "The groups for key exchange that are offered, best first, without "
        "those that the library does not have; empty, with tls_ffdhe_auto_groups empty too, leaves the choice to the library.",
        since="3.2", in_effect=True,
    )  # fmt: skip
    tls_ffdhe_auto_groups = Words(
        "", "Finite-field groups that are offered after those of tls_eecdh_auto_curves (Postfix 3.8: ffdhe2048 ffdhe3072).",
        since="3.8", in_effect=True,
    )  # fmt: skip
    tls_disable_workarounds = Words(
        "", "Work-arounds for bugs of others that are turned off.",
        since="2.8", of=WORKAROUNDS, loose=True, in_effect=True,
    )  # fmt: skip
    tls_ssl_options = Words(
        "", "Further options of the TLS library.",
        since="2.11", of=OPTIONS, loose=True, in_effect=True,
    )  # fmt: skip
    tls_config_file = Text(
        "default", "The configuration file of the TLS library: default, none, or a path.",
        since="3.9", least=1, in_effect=True,
    )  # fmt: skip
    tls_config_name = Text(
        "", "The application whose settings in that file count.",
        since="3.9", in_effect=True,
    )  # fmt: skip
    tls_append_default_CA = Flag(  # noqa: N815
        "no", "Trust the system's certificate authorities beside those that were named.",
        since="2.4.15", in_effect=True,
    )  # fmt: skip
    tls_wildcard_matches_multiple_labels = Flag(
        "yes", "Let * in a certificate stand for more than one label (Postfix has not looked at it since 3.6).",
        since="2.11", in_effect=False, moot="a * stands for one label, as in every smtp(8) since Postfix 3.6",
    )  # fmt: skip
    tls_fast_shutdown_enable = Flag(
        "yes", "Do not wait for the server's end of TLS before closing.",
        since="3.5", in_effect=True,
    )  # fmt: skip
    tls_dane_digests = Words(
        "sha512 sha256", "The digests that TLSA records may use, strongest first.",
        since="2.11", least=1, in_effect=True,
    )  # fmt: skip
    tls_dane_digest_agility = Choice(
        "", "Was: whether only the strongest digest among TLSA records counts.",
        since="2.11", of=("on", "maybe", "off"), empty=True, listed=False,
        obsolete="it has done nothing since Postfix 3.2", in_effect=True,
    )  # fmt: skip
    tls_dane_trust_anchor_digest_enable = Flag(
        "", "Was: whether TLSA digests of trust anchors count.",
        since="2.11", listed=False, obsolete="it has done nothing since Postfix 3.2", in_effect=True,
    )  # fmt: skip
    tls_random_source = Text(
        "dev:/dev/urandom", "Where the TLS manager gets its randomness.",
        since="2.2", in_effect=False, moot="the TLS library takes its randomness from the system",
    )  # fmt: skip
    tls_daemon_random_bytes = Count(
        "32", "How many random octets a process asks the TLS manager for.",
        since="2.2", least=1, in_effect=False, moot="the TLS library takes its randomness from the system",
    )  # fmt: skip
    tls_trace_rate_limit = Count(
        "1", "How many TLS traces are begun in a minute; 0 or less means any number.",
        since="3.12", in_effect=True,
    )  # fmt: skip
    tlsmgr_service_name = Text(
        "tlsmgr", "The name of Postfix's TLS manager service.",
        since="2.11", least=1, in_effect=False, moot="TLS sessions are kept in the process that made them",
    )  # fmt: skip
    tlsproxy_service_name = Text(
        "tlsproxy", "The name of Postfix's TLS proxy service.",
        since="2.8", least=1, in_effect=False, moot="connections with TLS are kept in the process that made them",
    )  # fmt: skip
