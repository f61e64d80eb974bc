"""Logging in to servers: SASL."""

from __future__ import annotations

from mailrider.settings.kinds import Character, Choice, Flag, Patterns, Seconds, Tables, Text, Words
from mailrider.settings.parameter import Section

SECURITY_OPTIONS = ("noplaintext", "noactive", "nodictionary", "noanonymous", "mutual_auth", "forward_secrecy")
EXTRA_MECHANISMS = ("external", "gssapi", "oauthbearer", "xoauth2")


class Login(Section, title="login (SASL)"):
    """With which credentials, and by which mechanisms."""

    smtp_sasl_auth_enable = Flag(
        "no", "Log in to servers that offer AUTH and for which there is a password.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    smtp_sasl_auth_required = Flag(
        "no", "Never send mail without login: where none is offered, or no password is found, the mail waits.",
        since="", ours=True, in_effect=True,
    )  # fmt: skip
    smtp_sasl_password_maps = Tables(
        "", "Tables with user:password by sender, server or next hop.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    smtp_sasl_password_result_delimiter = Character(
        ":", "What stands between user and password in the result.",
        since="3.9", in_effect=True,
    )  # fmt: skip
    smtp_sender_dependent_authentication = Flag(
        "no", "Look for a password of the sender before one of the server.",
        since="2.3", in_effect=True,
    )  # fmt: skip
    smtp_sasl_mechanism_filter = Patterns(
        "", "The mechanisms that may be used; empty means all that the security options leave.",
        since="2.2", in_effect=True,
    )  # fmt: skip
    smtp_sasl_security_options = Words(
        "noplaintext, noanonymous", "What a mechanism must and must not do in a session without TLS.",
        since="pre-2.0", of=SECURITY_OPTIONS, in_effect=True,
    )  # fmt: skip
    smtp_sasl_tls_security_options = Words(
        "$smtp_sasl_security_options", "What a mechanism must and must not do in a session with TLS.",
        since="2.2", of=SECURITY_OPTIONS, in_effect=True,
    )  # fmt: skip
    smtp_sasl_tls_verified_security_options = Words(
        "$smtp_sasl_tls_security_options", "The same in a session whose server certificate was verified.",
        since="2.6", of=SECURITY_OPTIONS, in_effect=True,
    )  # fmt: skip
    smtp_sasl_type = Choice(
        "cyrus", "The SASL implementation; Mailrider's own takes the place of cyrus.",
        since="2.3", of=("cyrus",), in_effect=True,
    )  # fmt: skip
    smtp_sasl_path = Text(
        "", "A name or path for the SASL implementation; cyrus, and so Mailrider, has no use for it.",
        since="2.3", in_effect=True,
    )  # fmt: skip
    cyrus_sasl_config_path = Text(
        "", "Where Cyrus SASL looks for its configuration; Mailrider has no use for it.",
        since="2.5", in_effect=True,
    )  # fmt: skip
    send_cyrus_sasl_authzid = Flag(
        "no", "Send the user name as the authorisation identity too.",
        since="2.4.4", in_effect=True,
    )  # fmt: skip
    smtp_sasl_auth_cache_name = Text(
        "", "A table that remembers logins that were refused.",
        since="2.5", in_effect=True,
    )  # fmt: skip
    smtp_sasl_auth_cache_time = Seconds(
        "90d", "How long a refused login is remembered.",
        since="2.5", least=0, in_effect=True,
    )  # fmt: skip
    smtp_sasl_auth_soft_bounce = Flag(
        "yes", "Defer instead of bounce when a login is refused.",
        since="2.5", in_effect=True,
    )  # fmt: skip
    smtp_sasl_extra_mechanisms = Words(
        "", "Mechanisms that are not used unless they are named here.",
        since="", of=EXTRA_MECHANISMS, fold=True, ours=True, in_effect=True,
    )  # fmt: skip
    smtp_sasl_oauth_CAfile = Text(  # noqa: N815
        "", "The certificate authorities of token endpoints, PEM; empty means those of the system.",
        since="", ours=True, in_effect=True,
    )  # fmt: skip
    smtp_sasl_oauth_timeout = Seconds(
        "30s", "How long the renewal of an access token may take.",
        since="", ours=True, in_effect=True,
    )  # fmt: skip
    smtp_sasl_oauth_clear_loopback = Flag(
        "no", "Accept http in place of https for a token endpoint on this machine.",
        since="", ours=True, in_effect=True,
    )  # fmt: skip
