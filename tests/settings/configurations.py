"""Configurations with what `postconf -xh NAME` of Postfix 3.7.11 says about them (runs of blanks shown as one)."""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """A main.cf, a name, and its expanded value."""

    title: str
    main_cf: str
    name: str
    value: str


CASES = (
    Case("default", "", "smtp_helo_timeout", "300s"),
    Case("default-mirror", "", "lmtp_connect_timeout", "0s"),
    Case("plain", "smtp_helo_timeout = 5\n", "smtp_helo_timeout", "5"),
    Case("level-0", "", "smtp_tls_fingerprint_digest", "md5"),
    Case("level-3.6", "compatibility_level = 3.6\n", "smtp_tls_fingerprint_digest", "sha256"),
    Case("level-3.10", "compatibility_level = 3.10\n", "smtp_tls_fingerprint_digest", "sha256"),
    Case("level-2", "compatibility_level = 2\n", "smtputf8_enable", "yes"),
    Case("level-0-utf8", "", "smtputf8_enable", "no"),
    Case("old-deadline", "smtp_per_record_deadline = yes\n", "smtp_per_request_deadline", "yes"),
    Case("old-deadline-lmtp", "lmtp_per_record_deadline = yes\n", "lmtp_per_request_deadline", "yes"),
    Case("no-deadline-lmtp", "smtp_per_record_deadline = yes\n", "lmtp_per_request_deadline", "no"),
    Case("dane", "smtp_tls_security_level = dane\n", "smtp_tls_dane_insecure_mx_policy", "dane"),
    Case("encrypt", "smtp_tls_security_level = encrypt\n", "smtp_tls_dane_insecure_mx_policy", "may"),
    Case("old-fallback", "fallback_relay = [b.example]\n", "smtp_fallback_relay", "[b.example]"),
    Case("old-fallback-lmtp", "fallback_relay = [b.example]\n", "lmtp_fallback_relay", ""),
    Case("hosts", "myhostname = a.b.example\n", "mydestination", "a.b.example, localhost.b.example, localhost"),
    Case("domain", "myhostname = a.b\nmydomain = c.d\n", "mydestination", "a.b, localhost.c.d, localhost"),
    Case("short-host", "myhostname = solo\n", "mydomain", "localdomain"),
    Case("own-name", "myorigin = $one.$two\none = 1\ntwo = ${one}2\n", "myorigin", "1.12"),
    Case("continued", "myorigin = a\n# c\n\n  $mail_name # d\n\t$$e\n", "myorigin", "a Postfix # d $e"),
    Case("overridden", "myorigin = a\nmyorigin = b\n", "myorigin", "b"),
    Case("indented-first", "  myhostname = x\nmyorigin = a\n", "myorigin", "a"),
    Case("choice", "myorigin = ${a?{set}:{unset}} ${b?{set}:{unset}}\na = 1\nb =\n", "myorigin", "set unset"),
    Case("old-choice", "myorigin = ${a?y:q}${b:n:${a}}\na = 1\nb =\n", "myorigin", "y:qn:1"),
    Case("nested-choice", "myorigin = ${a ? {${b ? {ab} : {a}}} : {none}}\na = 1\nb =\n", "myorigin", "a"),
    Case("numbers", "myorigin = ${{$a} < {9} ? {less} : {more}}\na = 10\n", "myorigin", "more"),
    Case("texts", "myorigin = ${{$a} < {9x} ? {less} : {more}}\na = 10\n", "myorigin", "less"),
    Case("truth", "myorigin = <${{$a}=={}}><${{$a}!={}}>\na =\n", "myorigin", "<true><>"),
    Case("parentheses", "myorigin = $(a)$(b?(x))\na = 1\nb = 2\n", "myorigin", "1(x)"),
    Case("undefined", "myorigin = <$nobody>${nobody?x}${nobody:y}\n", "myorigin", "<>y"),
    Case("options", "smtp_sasl_security_options = noactive\n", "smtp_sasl_tls_verified_security_options", "noactive"),
    Case("options-lmtp", "lmtp_sasl_security_options =\n", "lmtp_sasl_tls_verified_security_options", ""),
    Case("options-other", "smtp_sasl_security_options =\n", "lmtp_sasl_tls_security_options", "noplaintext, noanonymous"),
    Case("key-file", "smtp_tls_cert_file = /c.pem\n", "smtp_tls_key_file", "/c.pem"),
    Case("key-file-lmtp", "lmtp_tls_cert_file = /l.pem\nsmtp_tls_cert_file = /c.pem\n", "lmtp_tls_key_file", "/l.pem"),
    Case("families", "default_recipient_limit = 7\nmyorigin = $default_extra_recipient_limit\n", "myorigin", "1000"),
    Case("quotes", 'myorigin = "$mail_name"\n', "myorigin", '"Postfix"'),
    Case("utf8", "myorigin = b\u00fccher.example$a\na = \u00e9\n", "myorigin", "b\u00fccher.example\u00e9"),
)
