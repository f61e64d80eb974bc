"""The queue: routing, schedule, and what Postfix's queue manager knows."""

from __future__ import annotations

from mailrider.settings.kinds import Count, Flag, Patterns, Seconds, Tables, Text, Words
from mailrider.settings.parameter import Section

QUEUE_LIFETIME_LIMIT_SECONDS = 8_640_000
"""A hundred days, the most that qmgr(8) takes."""


class Routing(Section, title="routing"):
    """Which transport takes a message where."""

    mydestination = Patterns(
        "$myhostname, localhost.$mydomain, localhost", "The domains whose mail is delivered on this host.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    relay_domains = Patterns(
        "${{$compatibility_level} <level {2} ? {$mydestination} : {}}", "The domains whose mail is passed on for them.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    virtual_mailbox_domains = Patterns(
        "$virtual_mailbox_maps", "The domains whose mailboxes are not system accounts.",
        in_effect=True,
    )  # fmt: skip
    transport_maps = Tables(
        "", "Tables with transport and next hop by recipient.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    sender_dependent_default_transport_maps = Tables(
        "", "Tables by sender whose result replaces default_transport.",
        since="2.7", in_effect=True,
    )  # fmt: skip
    sender_dependent_relayhost_maps = Tables(
        "", "Tables by sender whose result replaces relayhost.",
        since="2.3", in_effect=True,
    )  # fmt: skip
    empty_address_default_transport_maps_lookup_key = Text(
        "<>", "What the null sender is looked up as in sender_dependent_default_transport_maps.",
        since="2.7", least=1, in_effect=True,
    )  # fmt: skip
    empty_address_relayhost_maps_lookup_key = Text(
        "<>", "What the null sender is looked up as in sender_dependent_relayhost_maps.",
        since="2.5", least=1, in_effect=True,
    )  # fmt: skip
    default_transport = Text(
        "smtp", "The transport of mail to other domains.",
        since="pre-2.0", least=1, in_effect=True,
    )  # fmt: skip
    relay_transport = Text(
        "relay", "The transport of mail to relay_domains.",
        least=1, in_effect=True,
    )  # fmt: skip
    local_transport = Text(
        "local:$myhostname", "The transport of mail to mydestination.",
        since="pre-2.0", least=1, in_effect=True,
    )  # fmt: skip
    virtual_transport = Text(
        "virtual", "The transport of mail to virtual_mailbox_domains.",
        least=1, in_effect=True,
    )  # fmt: skip
    defer_transports = Words(
        "", "Transports whose mail waits until it is asked for.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip


class Queue(Section, title="queue"):
    """When mail is tried again, and how much of it is worked on."""

    minimal_backoff_time = Seconds(
        "300s", "The shortest pause between two attempts.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    maximal_backoff_time = Seconds(
        "4000s", "The longest pause between two attempts.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    queue_run_delay = Seconds(
        "300s", "How often the queue is searched for mail whose time has come.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    maximal_queue_lifetime = Seconds(
        "5d", "How old a message gets before it is returned.",
        since="pre-2.0", least=0, most=QUEUE_LIFETIME_LIMIT_SECONDS, in_effect=True,
    )  # fmt: skip
    bounce_queue_lifetime = Seconds(
        "5d", "The same for mail from the null sender.",
        since="2.1", least=0, most=QUEUE_LIFETIME_LIMIT_SECONDS, in_effect=True,
    )  # fmt: skip
    transport_retry_time = Seconds(
        "60s", "After how long a transport that failed is asked again.",
        since="pre-2.0", in_effect=False,
        moot="the queue manager and the deliveries are one process, which has nobody to wait for",
    )  # fmt: skip
    message_size_limit = Count(
        "10240000", "The largest message that is taken, in octets; 0 sets no limit.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    enable_long_queue_ids = Flag(
        "no", "Make queue ids that are never used again.",
        since="2.9", in_effect=False,
    )  # fmt: skip
    enable_original_recipient = Flag(
        "yes", "Keep the address that a recipient had before aliasing.",
        since="2.1", in_effect=False, moot="a node has no aliases, and under Postfix its cleanup(8) reads this",
    )  # fmt: skip
    default_process_limit = Count(
        "100", "How many processes a service may have.",
        since="pre-2.0", least=1, in_effect=False, moot="one process makes any number of deliveries (agent --most-at-once)",
    )  # fmt: skip
    hash_queue_names = Words(
        "deferred, defer", "The queue folders that are split into many.",
        since="pre-2.0", least=1, in_effect=True,
    )  # fmt: skip
    qmgr_message_active_limit = Count(
        "20000", "How many messages are worked on at once.",
        since="pre-2.0", least=1, in_effect=True,
    )  # fmt: skip
    qmgr_message_recipient_limit = Count(
        "20000", "How many recipients are held in memory.",
        since="pre-2.0", least=1, in_effect=True,
    )  # fmt: skip
    qmgr_message_recipient_minimum = Count(
        "10", "How many recipients of each message are held in memory at least.",
        since="pre-2.0", least=1, in_effect=True,
    )  # fmt: skip
    qmgr_fudge_factor = Count(
        "100", "How much of the resources one large mailing gets, in per cent.",
        since="pre-2.0", obsolete="only the old queue manager reads it", in_effect=False,
    )  # fmt: skip
    qmgr_clog_warn_time = Seconds(
        "300s", "How often it is logged that one destination fills the queue; 0 never logs it.",
        since="2.0", least=0, in_effect=True,
    )  # fmt: skip
    qmgr_daemon_timeout = Seconds(
        "1000s", "How long one step of the queue manager may take.",
        since="2.8", in_effect=False,
        moot="the queue manager and the deliveries are one process, which has nobody to wait for",
    )  # fmt: skip
    qmgr_ipc_timeout = Seconds(
        "60s", "How long another daemon may keep the queue manager waiting.",
        since="2.8", in_effect=False,
        moot="the queue manager and the deliveries are one process, which has nobody to wait for",
    )  # fmt: skip


class Slots(Section, title="queue order"):
    """How the recipients of large and small mailings take turns, per service."""

    default_recipient_limit = Count(
        "20000", "Recipients in memory for one service.",
        since="pre-2.0", in_effect=False,
        moot="nobody may fill what qmgr_message_recipient_limit allows for all services (docs/node.md)",
    )  # fmt: skip
    default_extra_recipient_limit = Count(
        "1000", "Further recipients in memory for messages that overtake.",
        since="pre-2.0", in_effect=False,
        moot="nobody may fill what qmgr_message_recipient_limit allows for all services (docs/node.md)",
    )  # fmt: skip
    default_recipient_refill_limit = Count(
        "100", "How many recipients are read at a time.",
        since="2.4", least=1, in_effect=False,
        moot="the next recipients of a mailing follow when half of those in memory are done",
    )  # fmt: skip
    default_recipient_refill_delay = Seconds(
        "5s", "After how long recipients are read even if they are few.",
        since="2.4", in_effect=False,
        moot="the next recipients of a mailing follow when half of those in memory are done",
    )  # fmt: skip
    default_minimum_delivery_slots = Count(
        "3", "How many deliveries a message needs before it may be overtaken.",
        since="pre-2.0", in_effect=False,
        moot="senders and messages take turns, so that no message has to overtake another",
    )  # fmt: skip
    default_delivery_slot_cost = Count(
        "5", "After how many deliveries one may be given to another message; 0 means never.",
        since="pre-2.0", in_effect=False,
        moot="senders and messages take turns, so that no message has to overtake another",
    )  # fmt: skip
    default_delivery_slot_loan = Count(
        "3", "How many deliveries may be given in advance.",
        since="pre-2.0", in_effect=False,
        moot="senders and messages take turns, so that no message has to overtake another",
    )  # fmt: skip
    default_delivery_slot_discount = Count(
        "50", "How many of the deliveries needed may be owed, in per cent.",
        since="pre-2.0", most=100, in_effect=False,
        moot="senders and messages take turns, so that no message has to overtake another",
    )  # fmt: skip
    transport_recipient_limit = Count(
        "$default_recipient_limit", "Recipients in memory, for one service.",
        since="pre-2.0", per_service=True, listed=False, in_effect=False,
        moot="nobody may fill what qmgr_message_recipient_limit allows for all services (docs/node.md)",
    )  # fmt: skip
    transport_extra_recipient_limit = Count(
        "$default_extra_recipient_limit", "Further recipients in memory, for one service.",
        since="pre-2.0", per_service=True, listed=False, in_effect=False,
        moot="nobody may fill what qmgr_message_recipient_limit allows for all services (docs/node.md)",
    )  # fmt: skip
    transport_recipient_refill_limit = Count(
        "$default_recipient_refill_limit", "How many recipients are read at a time, for one service.",
        since="2.4", least=1, per_service=True, listed=False, in_effect=False,
        moot="the next recipients of a mailing follow when half of those in memory are done",
    )  # fmt: skip
    transport_recipient_refill_delay = Seconds(
        "$default_recipient_refill_delay", "After how long recipients are read anyway, for one service.",
        since="2.4", per_service=True, listed=False, in_effect=False,
        moot="the next recipients of a mailing follow when half of those in memory are done",
    )  # fmt: skip
    transport_minimum_delivery_slots = Count(
        "$default_minimum_delivery_slots", "When a message may be overtaken, for one service.",
        since="pre-2.0", per_service=True, listed=False, in_effect=False,
        moot="senders and messages take turns, so that no message has to overtake another",
    )  # fmt: skip
    transport_delivery_slot_cost = Count(
        "$default_delivery_slot_cost", "After how many deliveries one may be given away, for one service.",
        since="pre-2.0", per_service=True, listed=False, in_effect=False,
        moot="senders and messages take turns, so that no message has to overtake another",
    )  # fmt: skip
    transport_delivery_slot_loan = Count(
        "$default_delivery_slot_loan", "How many deliveries may be given in advance, for one service.",
        since="pre-2.0", per_service=True, listed=False, in_effect=False,
        moot="senders and messages take turns, so that no message has to overtake another",
    )  # fmt: skip
    transport_delivery_slot_discount = Count(
        "$default_delivery_slot_discount", "How many deliveries may be owed, in per cent, for one service.",
        since="pre-2.0", most=100, per_service=True, listed=False, in_effect=False,
        moot="senders and messages take turns, so that no message has to overtake another",
    )  # fmt: skip
