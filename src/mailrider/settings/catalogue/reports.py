"""What is told to whom: log lines, notices to the postmaster, non-delivery notices."""

from __future__ import annotations

from mailrider.settings.kinds import Choice, Count, Flag, Patterns, Seconds, Tables, Text, Words
from mailrider.settings.parameter import Section

FACILITIES = (
    "auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "security", "syslog", "user", "uucp",
    "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)  # fmt: skip

NOTIFY_CLASSES = ("bounce", "2bounce", "data", "delay", "policy", "protocol", "resource", "software")


class Reports(Section, title="logs and notices"):
    """Logs, transcripts and results."""

    soft_bounce = Flag(
        "no", "Defer instead of bounce, to try out a configuration.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    delay_logging_resolution_limit = Count(
        "2", "How many decimals the delays in the log have at most.",
        since="2.3", most=6, in_effect=True,
    )  # fmt: skip
    info_log_address_format = Choice(
        "external", "Whether addresses in the log are quoted as in mail.",
        since="3.5", of=("external", "internal"), in_effect=True,
    )  # fmt: skip
    smtp_delivery_status_filter = Tables(
        "$default_delivery_status_filter", "Tables that may put another status and text in the place of a result.",
        since="3.0", in_effect=True,
    )  # fmt: skip
    default_delivery_status_filter = Tables(
        "", "What smtp_delivery_status_filter is where nobody set it.",
        since="3.0", in_effect=True,
    )  # fmt: skip
    notify_classes = Words(
        "resource, software", "Of which kinds of trouble the postmaster gets mail.",
        since="pre-2.0", of=NOTIFY_CLASSES, in_effect=True,
    )  # fmt: skip
    error_notice_recipient = Text(
        "postmaster", "Who gets transcripts of sessions that went wrong.",
        since="pre-2.0", least=1, in_effect=True,
    )  # fmt: skip
    bounce_notice_recipient = Text(
        "postmaster", "Who gets copies of non-delivery notices.",
        since="pre-2.0", least=1, in_effect=True,
    )  # fmt: skip
    two_bounce_notice_recipient = Text(
        "postmaster", "Who gets non-delivery notices that could not be delivered.",
        since="pre-2.0", least=1, name="2bounce_notice_recipient", in_effect=True,
    )  # fmt: skip
    delay_notice_recipient = Text(
        "postmaster", "Who gets copies of delay warnings.",
        since="pre-2.0", least=1, in_effect=True,
    )  # fmt: skip
    internal_mail_filter_classes = Words(
        "", "Which mail of our own goes through the filters of cleanup(8); under Postfix only, a node has none.",
        since="2.3", of=("bounce", "notify"), in_effect=True,
    )  # fmt: skip
    debug_peer_list = Patterns(
        "", "Servers whose sessions are logged in detail.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    debug_peer_level = Count(
        "2", "How much more is logged for them: at any level, each command and reply.",
        since="pre-2.0", least=1, in_effect=True,
    )  # fmt: skip
    syslog_facility = Choice(
        "mail", "The syslog facility.",
        since="pre-2.0", of=FACILITIES, in_effect=True,
    )  # fmt: skip
    syslog_name = Text(
        "${multi_instance_name?{$multi_instance_name}:{postfix}}", "The name before the process name in the log.",
        least=1, in_effect=True,
    )  # fmt: skip
    maillog_file = Text(
        "", "The file to log to; empty means syslog in Postfix.",
        since="3.4", in_effect=True,
    )  # fmt: skip
    double_bounce_sender = Text(
        "double-bounce", "The sender of notices that must not be answered.",
        since="pre-2.0", least=1, in_effect=True,
    )  # fmt: skip
    empty_address_recipient = Text(
        "MAILER-DAEMON", "Who gets mail that is addressed to the null address.",
        since="pre-2.0", least=1, in_effect=True,
    )  # fmt: skip
    delay_warning_time = Seconds(
        "0h", "After how long the sender is told that mail is late; 0 never tells.",
        since="pre-2.0", least=0, in_effect=True,
    )  # fmt: skip
    confirm_delay_cleared = Flag(
        "no", "Tell the sender when mail that was late has arrived.",
        since="3.0", in_effect=True,
    )  # fmt: skip
    bounce_template_file = Text(
        "", "A file with texts for notices.",
        since="2.3", in_effect=True,
    )  # fmt: skip
    bounce_size_limit = Count(
        "50000", "Up to how many octets a message is returned whole; of longer ones only the headers are.",
        since="pre-2.0", least=1, in_effect=True,
    )  # fmt: skip
    header_from_format = Choice(
        "standard", "How names are written in From: headers of our own.",
        since="3.3", of=("standard", "obsolete"), in_effect=True,
    )  # fmt: skip
    enable_threaded_bounces = Flag(
        "no", "Let notices refer to the message they are about, so that they are shown with it.",
        since="3.6", in_effect=True,
    )  # fmt: skip
    disable_verp_bounces = Flag(
        "no", "Send one notice for all recipients even if one for each was asked for.",
        since="1.1", in_effect=False, moot="a node takes no mail with VERP, and under Postfix its bounce(8) reads this",
    )  # fmt: skip
    backwards_bounce_logfile_compatibility = Flag(
        "yes", "Write bounce logs in the old form too.",
        since="2.1", in_effect=False, moot="the only bounce logs are those of Postfix, whose bounce(8) writes them itself",
    )  # fmt: skip
    address_verify_map = Text(
        "btree:$data_directory/verify_cache", "The table that remembers address probes.",
        since="2.1", in_effect=False, moot="a node probes no addresses, and under Postfix its verify(8) reads this",
    )  # fmt: skip
    address_verify_sender = Text(
        "$double_bounce_sender", "The sender of address probes.",
        since="2.1", in_effect=False, moot="a node probes no addresses, and under Postfix its verify(8) reads this",
    )  # fmt: skip
    lmtp_assume_final = Flag(
        "no", "Say delivered instead of relayed of mail that an LMTP server without DSN took.",
        since="2.3", obsolete="flags=X of the service has taken its place", in_effect=True,
    )  # fmt: skip
