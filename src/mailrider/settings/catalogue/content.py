"""The message text on its way out: conversion, checks, rewriting, other scripts."""

from __future__ import annotations

from mailrider.settings.kinds import Count, Flag, Tables, Text, Words
from mailrider.settings.parameter import Section


class Content(Section, title="message content"):
    """What happens to headers and body while they are sent."""

    disable_mime_output_conversion = Flag(
        "no", "Send 8-bit content as it is to servers that do not offer 8BITMIME.",
        in_effect=True,
    )  # fmt: skip
    mime_boundary_length_limit = Count(
        "2048", "How many octets of a multipart boundary are compared.",
        least=1, in_effect=True,
    )  # fmt: skip
    mime_nesting_limit = Count(
        "100", "How deep multiparts may be nested in a message that has to be converted.",
        least=1, in_effect=True,
    )  # fmt: skip
    smtp_header_checks = Tables(
        "", "Tables that see each ordinary header while it is sent.",
        since="2.5", in_effect=True,
    )  # fmt: skip
    smtp_mime_header_checks = Tables(
        "", "Tables that see each MIME header while it is sent.",
        since="2.5", in_effect=True,
    )  # fmt: skip
    smtp_nested_header_checks = Tables(
        "", "Tables that see the ordinary headers of attached messages while they are sent.",
        since="2.5", in_effect=True,
    )  # fmt: skip
    smtp_body_checks = Tables(
        "", "Tables that see each line of the body while it is sent.",
        since="2.5", in_effect=True,
    )  # fmt: skip
    smtp_generic_maps = Tables(
        "", "Tables that rewrite addresses in the envelope and the headers while they are sent.",
        since="2.2", in_effect=True,
    )  # fmt: skip
    propagate_unmatched_extensions = Words(
        "canonical, virtual", "Which kinds of rewriting carry an address extension over to the result.",
        since="pre-2.0", of=("canonical", "virtual", "alias", "forward", "include", "generic"), in_effect=True,
    )  # fmt: skip
    recipient_delimiter = Text(
        "", "The characters that set an extension off from the user name.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    append_at_myorigin = Flag(
        "yes", "Give a result of smtp_generic_maps without a domain the one of myorigin.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    append_dot_mydomain = Flag(
        "${{$compatibility_level} <level {1} ? {yes} : {no}}",
        "Give a result of smtp_generic_maps with a domain of one word the rest of mydomain.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    swap_bangpath = Flag(
        "yes", "Take site!user, as a result of smtp_generic_maps, for user@site.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    allow_percent_hack = Flag(
        "yes", "Take user%domain, as a result of smtp_generic_maps, for user@domain.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    header_size_limit = Count(
        "102400", "How many octets of one header are looked at as a header.",
        since="pre-2.0", least=1, in_effect=True,
    )  # fmt: skip
    header_address_token_limit = Count(
        "10240", "How many tokens of an address header are rewritten.",
        since="pre-2.0", least=1, in_effect=False,
    )  # fmt: skip
    header_checks = Tables(
        "", "Tables that see each ordinary header of mail that comes in.",
        since="pre-2.0", in_effect=False,
    )  # fmt: skip
    mime_header_checks = Tables(
        "$header_checks", "Tables that see each MIME header of mail that comes in.",
        in_effect=False,
    )  # fmt: skip
    nested_header_checks = Tables(
        "$header_checks", "Tables that see the headers of attached messages in mail that comes in.",
        in_effect=False,
    )  # fmt: skip
    body_checks = Tables(
        "", "Tables that see each line of the body of mail that comes in.",
        since="pre-2.0", in_effect=False,
    )  # fmt: skip
    non_smtpd_milters = Words(
        "", "Mail filters for mail that does not come in by SMTP.",
        since="2.3", in_effect=False,
    )  # fmt: skip
    smtputf8_enable = Flag(
        "${{$compatibility_level} <level {1} ? {no} : {yes}}", "Understand addresses and headers in UTF-8 (RFC 6531).",
        since="3.0", in_effect=True,
    )  # fmt: skip
    smtputf8_autodetect_classes = Words(
        "sendmail, verify",
        "Which mail is searched for UTF-8 in headers when it comes in; a node looks at that of sendmail only.",
        since="3.0", of=("sendmail", "smtpd", "qmqpd", "forward", "bounce", "notify", "verify", "all"), least=1,
        in_effect=True,
    )  # fmt: skip
    enable_idna2003_compatibility = Flag(
        "no", "Convert domain names by the older IDNA rules.",
        since="3.2", in_effect=True,
    )  # fmt: skip
