"""Time limits: how long each stage may take, and how long a process lives."""

from __future__ import annotations

from mailrider.settings.kinds import Count, Flag, Seconds
from mailrider.settings.parameter import Section


class Patience(Section, title="time limits"):
    """How long to wait for what (RFC 5321 §4.5.3.2)."""

    smtp_connect_timeout = Seconds(
        "30s", "How long making a connection may take; 0 leaves it to the system.",
        since="pre-2.0", mirror_default="0s", least=0, in_effect=True,
    )  # fmt: skip
    smtp_helo_timeout = Seconds(
        "300s", "How long the greeting, and the reply to EHLO, HELO or LHLO, may take.",
        since="pre-2.0", mirror="lmtp_lhlo_timeout", in_effect=True,
    )  # fmt: skip
    smtp_starttls_timeout = Seconds(
        "300s", "How long STARTTLS and the handshake after it may take.",
        since="2.2", in_effect=True,
    )  # fmt: skip
    smtp_xforward_timeout = Seconds(
        "300s", "How long the reply to XFORWARD may take.",
        since="2.1", in_effect=True,
    )  # fmt: skip
    smtp_mail_timeout = Seconds(
        "300s", "How long the reply to MAIL may take.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    smtp_rcpt_timeout = Seconds(
        "300s", "How long the reply to RCPT may take.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    smtp_data_init_timeout = Seconds(
        "120s", "How long the reply to DATA may take.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    smtp_data_xfer_timeout = Seconds(
        "180s", "How long the connection may stand still while the message is sent.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    smtp_data_done_timeout = Seconds(
        "600s", "How long the reply to the end of the message may take.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    smtp_rset_timeout = Seconds(
        "20s", "How long the reply to RSET may take.",
        since="2.1", in_effect=True,
    )  # fmt: skip
    smtp_quit_timeout = Seconds(
        "300s", "How long the reply to QUIT may take, where it is waited for.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    smtp_per_record_deadline = Flag(
        "", "Was the name of smtp_per_request_deadline, and still is its default.",
        since="2.9", listed=False, obsolete="it is only the default of another parameter",
        replaced_by="smtp_per_request_deadline", in_effect=True,
    )  # fmt: skip
    smtp_per_request_deadline = Flag(
        "${smtp_per_record_deadline?{$smtp_per_record_deadline}:{no}}",
        "Let the time limits hold for a whole request or reply instead of each read or write.",
        since="3.7", in_effect=True,
    )  # fmt: skip
    smtp_min_data_rate = Count(
        "500", "Octets per second that must flow while deadlines are per request.",
        since="3.7", least=1, in_effect=True,
    )  # fmt: skip
    daemon_timeout = Seconds(
        "18000s",
        "How long one request may be worked on; then it goes to no further server and is deferred.  Also how long an agent "
        "under Postfix may stand still before it is ended.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    ipc_timeout = Seconds(
        "3600s", "How long another daemon of the mail system may keep an answer back.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    max_idle = Seconds(
        "100s", "How long an agent waits for work before it ends.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    max_use = Count(
        "100", "After how many requests an agent ends.",
        since="pre-2.0", least=1, in_effect=True,
    )  # fmt: skip
