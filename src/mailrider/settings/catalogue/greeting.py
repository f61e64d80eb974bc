"""The conversation: greeting, EHLO, commands and replies."""

from __future__ import annotations

from mailrider.settings.kinds import Choice, Count, Flag, Seconds, Tables, Text, Words
from mailrider.settings.parameter import Section

EHLO_KEYWORDS = (
    "8bitmime", "auth", "chunking", "dsn", "enhancedstatuscodes", "etrn", "pipelining", "requiretls", "silent-discard",
    "size", "smtputf8", "starttls", "verp", "vrfy", "xclient", "xforward",
)  # fmt: skip
"""What the EHLO discard lists know; other words in them count for nothing."""

PIX_WORKAROUNDS = ("disable_esmtp", "delay_dotcrlf")


class Greeting(Section, title="conversation"):
    """How the client introduces itself and what it makes of the answers."""

    smtp_always_send_ehlo = Flag(
        "yes", "Begin with EHLO even if the greeting does not say ESMTP.",
        since="pre-2.0", mirror="", in_effect=True,
    )  # fmt: skip
    smtp_never_send_ehlo = Flag(
        "no", "Begin with HELO and do without every extension; wins over smtp_always_send_ehlo.",
        since="pre-2.0", mirror="", in_effect=True,
    )  # fmt: skip
    smtp_helo_name = Text(
        "$myhostname", "The name given in EHLO, HELO or LHLO.",
        mirror="lmtp_lhlo_name", least=1, in_effect=True,
    )  # fmt: skip
    smtp_discard_ehlo_keywords = Words(
        "", "Extensions that count as not offered, whatever the server says.",
        since="2.2", mirror="lmtp_discard_lhlo_keywords", of=EHLO_KEYWORDS, fold=True, lenient=True, in_effect=True,
    )  # fmt: skip
    smtp_discard_ehlo_keyword_address_maps = Tables(
        "", "Tables by server address whose result replaces smtp_discard_ehlo_keywords.",
        since="2.2", mirror="lmtp_discard_lhlo_keyword_address_maps", in_effect=True,
    )  # fmt: skip
    smtp_skip_5xx_greeting = Flag(
        "yes", "Take a 5xx greeting for a temporary failure of this server instead of a bounce.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    smtp_skip_4xx_greeting = Flag(
        "", "Was: try the next server after a 4xx greeting.  That is what always happens now.",
        since="1.0", mirror="", listed=False, obsolete="a 4xx greeting always makes the next server be tried",
        in_effect=True,
    )  # fmt: skip
    smtp_skip_quit_response = Flag(
        "yes", "Close the connection without waiting for the reply to QUIT.",
        since="pre-2.0", mirror_default="no", in_effect=True,
    )  # fmt: skip
    smtp_quote_rfc821_envelope = Flag(
        "yes", "Quote local parts in MAIL and RCPT where the standard demands it.",
        since="2.1", in_effect=True,
    )  # fmt: skip
    smtp_line_length_limit = Count(
        "998", "Break lines of the message that are longer than this many octets; 0 breaks none.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    line_length_limit = Count(
        "2048", "The longest reply line, and the longest joined reply text, that is kept, in octets.",
        since="pre-2.0", least=512, in_effect=True,
    )  # fmt: skip
    smtp_reply_filter = Tables(
        "", "Tables that may put another line in the place of a reply line before it is understood.",
        since="2.7", in_effect=True,
    )  # fmt: skip
    smtp_send_dummy_mail_auth = Flag(
        "no", "Add AUTH=<> to MAIL in sessions that logged in.",
        since="2.9", in_effect=True,
    )  # fmt: skip
    smtp_send_xforward_command = Flag(
        "no", "Tell a server that offers XFORWARD who submitted the message.",
        since="2.1", in_effect=True,
    )  # fmt: skip
    smtp_address_verify_target = Choice(
        "rcpt", "The command whose reply decides an address probe.",
        since="3.0", of=("rcpt", "data"), in_effect=True,
    )  # fmt: skip
    smtp_pix_workarounds = Words(
        "disable_esmtp,delay_dotcrlf", "What to do about servers behind a firewall that hides their greeting.",
        since="2.4", of=PIX_WORKAROUNDS, fold=True, lenient=True, in_effect=True,
    )  # fmt: skip
    smtp_pix_workaround_maps = Tables(
        "", "Tables by server address whose result replaces smtp_pix_workarounds.",
        since="2.4", in_effect=True,
    )  # fmt: skip
    smtp_pix_workaround_threshold_time = Seconds(
        "500s", "How long a message must have been queued before delay_dotcrlf is used.",
        since="pre-2.0", least=0, in_effect=True,
    )  # fmt: skip
    smtp_pix_workaround_delay_time = Seconds(
        "10s", "How long delay_dotcrlf waits before the final dot.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    smtp_chunking = Flag(
        "yes", "Send the message with BDAT to servers that offer CHUNKING.",
        since="", mirror="", ours=True, in_effect=True,
    )  # fmt: skip
    smtp_dsn_fallback = Flag(
        "no", "Send the envelope again without DSN parameters where a server announces DSN and refuses them (504, 555).",
        since="", ours=True, in_effect=True,
    )  # fmt: skip
    smtp_pipelining_across_messages = Flag(
        "yes", "Send the next envelope together with the end of the message before it.",
        since="", mirror="", ours=True, in_effect=True,
    )  # fmt: skip
