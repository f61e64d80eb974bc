"""Keeping connections for the next message, and how many there may be at once."""

from __future__ import annotations

from mailrider.settings.kinds import Count, Feedback, Flag, Patterns, Seconds, Text
from mailrider.settings.parameter import Section


class Connections(Section, title="connections"):
    """The connection cache."""

    smtp_connection_cache_on_demand = Flag(
        "yes", "Keep connections while there is more mail for the same destination.",
        since="2.2", in_effect=True,
    )  # fmt: skip
    smtp_connection_cache_destinations = Patterns(
        "", "Destinations whose connections are always kept: names and addresses without port or brackets.",
        since="2.2", in_effect=True,
    )  # fmt: skip
    smtp_connection_cache_time_limit = Seconds(
        "2s", "How long a connection is kept without work.",
        since="2.2", in_effect=True,
    )  # fmt: skip
    connection_cache_ttl_limit = Seconds(
        "2s", "The upper bound of smtp_connection_cache_time_limit.",
        since="2.2", in_effect=True,
    )  # fmt: skip
    smtp_connection_reuse_time_limit = Seconds(
        "300s", "How long after it was made a connection may take another message.",
        since="2.2", in_effect=True,
    )  # fmt: skip
    smtp_connection_reuse_count_limit = Count(
        "0", "How often a connection may be used again; 0 sets no limit.",
        since="2.11", in_effect=True,
    )  # fmt: skip
    lmtp_cache_connection = Flag(
        "", "Was: keep LMTP connections.",
        since="1.0", listed=False, obsolete="it was removed in Postfix 2.2", replaced_by="lmtp_connection_cache_on_demand",
        in_effect=True,
    )  # fmt: skip
    smtp_connection_cache_shared = Flag(
        "no", "Let an agent under Postfix keep connections in scache(8), for all of its processes, and smtp(8) too.",
        since="", ours=True, in_effect=True,
    )  # fmt: skip
    connection_cache_service_name = Text(
        "scache", "The name of Postfix's connection cache service; see smtp_connection_cache_shared.",
        since="2.2", least=1, in_effect=True,
    )  # fmt: skip
    connection_cache_protocol_timeout = Seconds(
        "5s", "How long Postfix's connection cache service may keep an answer back; see smtp_connection_cache_shared.",
        since="2.3", in_effect=True,
    )  # fmt: skip
    connection_cache_status_update_time = Seconds(
        "600s", "How often the connection cache logs what it did.",
        since="2.2", in_effect=False, moot="Postfix's scache(8) writes these lines itself",
    )  # fmt: skip


class Pace(Section, title="concurrency"):
    """How many deliveries go to one destination at once, and how that number grows and shrinks."""

    smtp_destination_concurrency_limit = Count(
        "$default_destination_concurrency_limit", "Deliveries to one destination at once; 0 sets no limit.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    smtp_destination_recipient_limit = Count(
        "$default_destination_recipient_limit",
        "Recipients in one delivery; with 1, limits of a destination hold for each recipient on its own.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    default_destination_concurrency_limit = Count(
        "20", "Deliveries to one destination at once, for services that set nothing else.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    default_destination_recipient_limit = Count(
        "50", "Recipients in one delivery, for services that set nothing else.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    initial_destination_concurrency = Count(
        "5", "Deliveries to one destination at once before anything is known of it.",
        since="pre-2.0", least=1, in_effect=True,
    )  # fmt: skip
    default_destination_concurrency_positive_feedback = Feedback(
        "1", "How much a good delivery widens the window.",
        since="2.5", in_effect=True,
    )  # fmt: skip
    default_destination_concurrency_negative_feedback = Feedback(
        "1", "How much a failure of the site narrows the window.",
        since="2.5", in_effect=True,
    )  # fmt: skip
    default_destination_concurrency_failed_cohort_limit = Count(
        "1", "After how many windows full of failures a destination counts as dead; 0 means never.",
        since="2.5", in_effect=True,
    )  # fmt: skip
    destination_concurrency_feedback_debug = Flag(
        "no", "Log how the windows move.",
        since="2.5", in_effect=False,
    )  # fmt: skip
    default_destination_rate_delay = Seconds(
        "0s", "The pause between deliveries to one destination.",
        since="2.5", least=0, in_effect=True,
    )  # fmt: skip
    default_transport_rate_delay = Seconds(
        "0s", "The pause between deliveries of one service.",
        since="3.1", least=0, in_effect=True,
    )  # fmt: skip
    transport_destination_concurrency_limit = Count(
        "$default_destination_concurrency_limit", "Deliveries to one destination at once, for one service.",
        since="pre-2.0", per_service=True, listed=False, in_effect=True,
    )  # fmt: skip
    transport_destination_recipient_limit = Count(
        "$default_destination_recipient_limit", "Recipients in one delivery, for one service.",
        since="pre-2.0", per_service=True, listed=False, in_effect=True,
    )  # fmt: skip
    transport_initial_destination_concurrency = Count(
        "$initial_destination_concurrency", "The first window of a destination, for one service.",
        since="2.5", least=1, per_service=True, listed=False, in_effect=True,
    )  # fmt: skip
    transport_destination_concurrency_positive_feedback = Feedback(
        "$default_destination_concurrency_positive_feedback", "How much a good delivery widens the window, for one service.",
        since="2.5", per_service=True, listed=False, in_effect=True,
    )  # fmt: skip
    transport_destination_concurrency_negative_feedback = Feedback(
        "$default_destination_concurrency_negative_feedback", "How much a failure narrows the window, for one service.",
        since="2.5", per_service=True, listed=False, in_effect=True,
    )  # fmt: skip
    transport_destination_concurrency_failed_cohort_limit = Count(
        "$default_destination_concurrency_failed_cohort_limit", "When a destination counts as dead, for one service.",
        since="2.5", per_service=True, listed=False, in_effect=True,
    )  # fmt: skip
    transport_destination_rate_delay = Seconds(
        "$default_destination_rate_delay", "The pause between deliveries to one destination, for one service.",
        since="2.5", least=0, per_service=True, listed=False, in_effect=True,
    )  # fmt: skip
    transport_transport_rate_delay = Seconds(
        "$default_transport_rate_delay", "The pause between deliveries, for one service.",
        since="3.1", least=0, per_service=True, listed=False, in_effect=True,
    )  # fmt: skip
