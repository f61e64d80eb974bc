"""TLS towards a server: when, with what, and what it has to prove."""

from __future__ import annotations

from mailrider.settings.kinds import PORT_LIMIT, Choice, Count, Flag, Patterns, Seconds, Tables, Text, Words
from mailrider.settings.parameter import Section

LEVELS = ("none", "may", "encrypt", "dane", "dane-only", "fingerprint", "verify", "secure")
"""What smtp_tls_security_level may be; half-dane exists inside the client only."""

LOG_WORDS = (
    "0", "1", "2", "3", "4", "none", "routine", "debug", "ssl-expert", "ssl-developer", "summary", "untrusted", "peercert",
    "certmatch", "verbose", "cache", "dane", "ssl-debug", "ssl-handshake-packet-dump", "ssl-session-packet-dump", "trace",
)  # fmt: skip
"""Levels by number and by name, and the single features that Postfix 3.x logs."""


class Tls(Section, title="TLS"):
    """What each connection uses."""

    smtp_tls_security_level = Choice(
        "", "How much TLS a server must offer and prove, unless a policy says otherwise.",
        since="2.3", of=LEVELS, empty=True, in_effect=True,
    )  # fmt: skip
    smtp_tls_policy_maps = Tables(
        "", "Tables with the TLS level and its attributes by next hop.",
        since="2.3", in_effect=True,
    )  # fmt: skip
    smtp_tls_wrappermode = Flag(
        "no", "Begin with TLS instead of STARTTLS.",
        since="3.0", in_effect=True,
    )  # fmt: skip
    smtp_tls_protocols = Words(
        ">=TLSv1", "The protocol versions that opportunistic TLS may use.",
        since="2.6", in_effect=True,
    )  # fmt: skip
    smtp_tls_mandatory_protocols = Words(
        ">=TLSv1", "The protocol versions that mandatory TLS may use.",
        since="2.3", in_effect=True,
    )  # fmt: skip
    smtp_tls_ciphers = Text(
        "medium", "The weakest cipher grade that opportunistic TLS uses: high, medium, null, or low or export as before 3.8.",
        since="2.6", least=1, in_effect=True,
    )  # fmt: skip
    smtp_tls_mandatory_ciphers = Text(
        "medium", "The weakest cipher grade that mandatory TLS uses; with one that there is not, handshakes fail.",
        since="2.3", least=1, in_effect=True,
    )  # fmt: skip
    smtp_tls_exclude_ciphers = Words(
        "", "Ciphers that are never used.",
        since="2.3", in_effect=True,
    )  # fmt: skip
    smtp_tls_mandatory_exclude_ciphers = Words(
        "", "Further ciphers that mandatory TLS does not use.",
        since="2.3", in_effect=True,
    )  # fmt: skip
    smtp_tls_CAfile = Text(  # noqa: N815
        "", "A file with the certificates of authorities that are trusted.",
        since="2.2", in_effect=True,
    )  # fmt: skip
    smtp_tls_CApath = Text(  # noqa: N815
        "", "A directory with the certificates of authorities that are trusted.",
        since="2.2", in_effect=True,
    )  # fmt: skip
    smtp_tls_trust_anchor_file = Words(
        "", "Files with trust anchors that take the place of all other authorities.",
        since="2.11", in_effect=True,
    )  # fmt: skip
    smtp_tls_chain_files = Words(
        "", "Files with the client's keys and certificates, key first.",
        since="3.4", in_effect=True,
    )  # fmt: skip
    smtp_tls_cert_file = Text(
        "", "The client's RSA certificate.",
        since="2.2", in_effect=True,
    )  # fmt: skip
    smtp_tls_key_file = Text(
        "$smtp_tls_cert_file", "The key of the client's RSA certificate.",
        since="2.2", in_effect=True,
    )  # fmt: skip
    smtp_tls_eccert_file = Text(
        "", "The client's ECDSA certificate.",
        since="2.6", in_effect=True,
    )  # fmt: skip
    smtp_tls_eckey_file = Text(
        "$smtp_tls_eccert_file", "The key of the client's ECDSA certificate.",
        since="2.6", in_effect=True,
    )  # fmt: skip
    smtp_tls_dcert_file = Text(
        "", "The client's DSA certificate.",
        since="2.2", in_effect=True,
    )  # fmt: skip
    smtp_tls_dkey_file = Text(
        "$smtp_tls_dcert_file", "The key of the client's DSA certificate.",
        since="2.2", in_effect=True,
    )  # fmt: skip
    smtp_tls_scert_verifydepth = Count(
        "9", "How long the server's certificate chain may be.",
        since="2.2", in_effect=True,
    )  # fmt: skip
    smtp_tls_verify_cert_match = Words(
        "hostname", "The names of which one must be in the certificate at level verify.",
        since="2.3", least=1, in_effect=True,
    )  # fmt: skip
    smtp_tls_secure_cert_match = Words(
        "nexthop, dot-nexthop", "The names of which one must be in the certificate at level secure.",
        since="2.3", mirror_default="nexthop", least=1, in_effect=True,
    )  # fmt: skip
    smtp_tls_fingerprint_cert_match = Words(
        "", "The digests of which one must be the certificate's or the key's at level fingerprint.",
        since="2.5", in_effect=True,
    )  # fmt: skip
    smtp_tls_fingerprint_digest = Text(
        "${{$compatibility_level} <level {3.6} ? {md5} : {sha256}}", "The algorithm of those digests.",
        since="2.5", least=1, in_effect=True,
    )  # fmt: skip
    smtp_tls_servername = Text(
        "", "The name the client asks for in the handshake; empty asks for none.",
        since="3.4", in_effect=True,
    )  # fmt: skip
    smtp_tls_dane_insecure_mx_policy = Choice(
        "${{$smtp_tls_security_level} == {dane} ? {dane} : {may}}", "The level at DANE servers that were found by MX "
        "records that nobody signed.",
        since="3.1", mirror="", of=("may", "encrypt", "dane"), in_effect=True,
    )  # fmt: skip
    smtp_tls_force_insecure_host_tlsa_lookup = Flag(
        "no", "Ask for TLSA records even if the server's address is not signed.",
        since="2.11", in_effect=True,
    )  # fmt: skip
    smtp_tls_enable_rpk = Flag(
        "no", "Offer raw public keys in the place of certificates.",
        since="3.9", in_effect=False, moot="Python's TLS libraries have no raw public keys (RFC 7250)",
    )  # fmt: skip
    smtp_tls_connection_reuse = Flag(
        "no", "Keep connections that use TLS for the next message.",
        since="3.4", in_effect=True,
    )  # fmt: skip
    smtp_tls_session_cache_database = Text(
        "", "The table that keeps TLS sessions between connections.",
        since="2.2", in_effect=True,
    )  # fmt: skip
    smtp_tls_session_cache_timeout = Seconds(
        "3600s", "How long a TLS session is kept.",
        since="2.2", least=0, most=8_640_000, in_effect=True,
    )  # fmt: skip
    smtp_tls_block_early_mail_reply = Flag(
        "no", "Take a reply to MAIL that came too early for an attack.",
        since="2.7", in_effect=True,
    )  # fmt: skip
    smtp_tls_note_starttls_offer = Flag(
        "no", "Log when a server offers STARTTLS and it is not used.",
        since="2.2", in_effect=True,
    )  # fmt: skip
    smtp_tls_loglevel = Words(
        "0", "How much is logged of TLS, as a number or as names.",
        since="2.2", of=LOG_WORDS, fold=True, in_effect=True,
    )  # fmt: skip
    smtp_tls_loglevel_maps = Tables(
        "", "Tables by server whose result replaces smtp_tls_loglevel.",
        since="3.12", in_effect=True,
    )  # fmt: skip
    smtp_tls_trace_size_limit = Count(
        "102400", "How many octets a trace of TLS may have (smtp_tls_loglevel with trace); 0 keeps no traces.",
        since="3.12", in_effect=True,
    )  # fmt: skip
    smtp_log_tls_feature_status = Flag(
        "no", "Tell in the status line of each recipient what TLS did (Postfix 3.11: yes).",
        since="3.11", in_effect=True,
    )  # fmt: skip
    smtp_tlsrpt_enable = Flag(
        "no", "Count TLS successes and failures for reports to the destinations (RFC 8460).",
        since="3.10", in_effect=True,
    )  # fmt: skip
    smtp_tlsrpt_socket_name = Text(
        "", "The socket of the process that collects those counts.",
        since="3.10", in_effect=True,
    )  # fmt: skip
    smtp_tlsrpt_skip_reused_handshakes = Flag(
        "no", "Do not count handshakes that resumed a session.",
        since="3.10", in_effect=True,
    )  # fmt: skip
    smtp_tls_enforce_sts_mx_patterns = Flag(
        "yes", "Hold servers to the MX patterns of an MTA-STS policy that a policy table gave.",
        since="3.10.5", in_effect=True,
    )  # fmt: skip
    tls_report_directory = Text(
        "", "Where the outcome of TLS sessions is kept for reports to the destinations (RFC 8460); empty keeps none.",
        since="", ours=True, in_effect=True,
    )  # fmt: skip
    tls_report_organization = Text(
        "$myhostname", "Who reports, as reports name it.",
        since="", ours=True, in_effect=True,
    )  # fmt: skip
    tls_report_contact = Text(
        "postmaster@$mydomain", "The address in reports, which is the sender of those that go by mail too.",
        since="", ours=True, in_effect=True,
    )  # fmt: skip
    tls_report_send = Flag(
        "no", "Let a node send the reports of each day by itself, to where the destinations want them.",
        since="", ours=True, in_effect=True,
    )  # fmt: skip
    tls_report_dkim_domain = Text(
        "", "The domain that signs reports by mail (DKIM); empty means that of tls_report_contact.",
        since="", ours=True, in_effect=True,
    )  # fmt: skip
    tls_report_dkim_selector = Text(
        "", "The selector of that signature.",
        since="", ours=True, in_effect=True,
    )  # fmt: skip
    tls_report_dkim_key_file = Text(
        "", "The private key of that signature, RSA in PEM, readable by the node; empty signs nothing.",
        since="", ours=True, in_effect=True,
    )  # fmt: skip
    smtp_tls_mta_sts = Flag(
        "no", "Fetch and obey MTA-STS policies (RFC 8461).",
        since="", ours=True, in_effect=True,
    )  # fmt: skip
    tls_mta_sts_cache_directory = Text(
        "$data_directory/mta-sts", "Where MTA-STS policies are kept over a restart; empty keeps them in memory only.",
        since="", ours=True, in_effect=True,
    )  # fmt: skip
    tls_mta_sts_cache_limit = Count(
        "10000", "How many MTA-STS policies are kept; the oldest make place for new ones.",
        since="", least=1, most=1_000_000, ours=True, in_effect=True,
    )  # fmt: skip
    tls_mta_sts_CAfile = Text(  # noqa: N815
        "", "The certificate authorities of MTA-STS policy hosts, PEM; empty means those of the system.",
        since="", ours=True, in_effect=True,
    )  # fmt: skip
    tls_mta_sts_timeout = Seconds(
        "30s", "How long fetching an MTA-STS policy may take; the first mail to a domain waits for it.",
        since="", ours=True, in_effect=True,
    )  # fmt: skip
    tls_mta_sts_port = Count(
        "443", "The port of MTA-STS policy hosts; RFC 8461 knows no other, tests do.",
        since="", least=1, most=PORT_LIMIT, ours=True, in_effect=True,
    )  # fmt: skip
    smtp_requiretls_policy = Patterns(
        "inline:{{$mydomain=opportunistic}, {.$mydomain=opportunistic}, {localhost=opportunistic}},"
        " cidr:{{0.0.0.0/0 opportunistic}, {::/0 opportunistic}}, enforce",
        "How strictly REQUIRETLS is taken at a destination: enforce, opportunistic+starttls, opportunistic, disable; tables.",
        since="3.11", mirror_default="opportunistic", in_effect=True,
    )  # fmt: skip
    requiretls_enable = Flag(
        "yes", "Honour the wish of a sender for REQUIRETLS (RFC 8689).",
        since="3.11", in_effect=True,
    )  # fmt: skip
    requiretls_redact_dsn = Flag(
        "yes", "Leave the content out of notices about mail with REQUIRETLS, and send them without REQUIRETLS.",
        since="3.11", in_effect=True,
    )  # fmt: skip
    requiretls_esmtp_header = Flag(
        "yes", "Pass REQUIRETLS on, through programs that do not know it, in a header Require-TLS-ESMTP: yes (a node).",
        since="3.11", in_effect=True,
    )  # fmt: skip
    tls_required_enable = Flag(
        "no", "Obey the header TLS-Required: no (RFC 8689; Postfix 3.10: yes).",
        since="3.10", in_effect=True,
    )  # fmt: skip


class OldTls(Section, title="TLS, older names"):
    """What was there before smtp_tls_security_level and smtp_tls_policy_maps."""

    smtp_use_tls = Flag(
        "no", "Use TLS where it is offered.",
        since="2.2", obsolete="security levels have taken its place", replaced_by="smtp_tls_security_level",
        in_effect=True,
    )  # fmt: skip
    smtp_enforce_tls = Flag(
        "no", "Demand TLS.",
        since="2.2", obsolete="security levels have taken its place", replaced_by="smtp_tls_security_level",
        in_effect=True,
    )  # fmt: skip
    smtp_tls_enforce_peername = Flag(
        "yes", "With smtp_enforce_tls: the server's name must be in its certificate.",
        since="2.2", obsolete="security levels have taken its place", replaced_by="smtp_tls_security_level",
        in_effect=True,
    )  # fmt: skip
    smtp_tls_per_site = Tables(
        "", "Tables with NONE, MAY, MUST or MUST_NOPEERMATCH by server or next hop.",
        since="2.2", obsolete="policy tables have taken its place", replaced_by="smtp_tls_policy_maps",
        in_effect=True,
    )  # fmt: skip
    smtp_tls_cipherlist = Text(
        "", "Was: the ciphers of the client.",
        since="2.2", mirror="", listed=False, obsolete="it was removed", replaced_by="smtp_tls_mandatory_ciphers",
        in_effect=True,
    )  # fmt: skip
