"""What the settings of a node may not have been meant to say: told by `serve` when it starts and by `config check`.

A main.cf that has served a Postfix says many things that are another program's to do, and most of them do not matter to a node.
Those do that change what becomes of mail: copies, aliases, filters, restrictions (`PASSED_OVER`).  Who set one relies on it.
"""

from __future__ import annotations

from collections.abc import Iterator

from mailrider.errors import WrongConfiguration
from mailrider.node_parts import INTERNAL_SERVICES, find_protocol, has_mailboxes
from mailrider.settings import Settings

LISTENERS = ("intake_smtp_listen", "intake_lmtp_listen")

PASSED_OVER = (
    "always_bcc", "sender_bcc_maps", "recipient_bcc_maps",
    "virtual_alias_maps", "virtual_alias_domains", "alias_maps", "relocated_maps",
    "canonical_maps", "sender_canonical_maps", "recipient_canonical_maps", "masquerade_domains",
    "content_filter", "smtpd_milters", "smtpd_proxy_filter", "smtpd_command_filter",
    "smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions", "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions", "smtpd_data_restrictions", "smtpd_end_of_data_restrictions",
    "smtpd_sender_login_maps", "authorized_submit_users", "relay_recipient_maps", "local_recipient_maps",
    "smtpd_client_connection_rate_limit", "smtpd_client_message_rate_limit", "smtpd_client_recipient_rate_limit",
    "smtpd_tls_wrappermode", "message_drop_headers", "message_strip_characters", "message_reject_characters",
    "remote_header_rewrite_domain", "undisclosed_recipients_header",
)  # fmt: skip
"""Parameters of smtpd(8), cleanup(8) and local(8) that decide who gets a message, or whether anybody does."""


def is_of_node(settings: Settings) -> bool:
    """Whether this is the main.cf of a node: it says where a node listens."""
    return any(settings.is_set(name) for name in LISTENERS)


def find_doubts(settings: Settings) -> list[str]:
    """Sentences."""
    return [*_doubt_mailboxes(settings), *_doubt_services(settings), *_doubt_what_is_passed_over(settings)]


def check_places(settings: Settings) -> None:
    """Raises `WrongConfiguration` where two listeners want one place."""
    places = [(name, place) for name in LISTENERS for place in getattr(settings, name)]
    seen: dict[object, str] = {}
    for name, place in places:
        if place in seen:
            host, port, path = place
            shown = path or f"{host}:{port}"
            raise WrongConfiguration(f"{name}: {shown} is taken already by {seen[place]}")
        seen[place] = name


def _doubt_what_is_passed_over(settings: Settings) -> Iterator[str]:
    names = [name for name in PASSED_OVER if (settings.find_text(name) or "no") not in ("no", "0")]
    if names:
        yield f"a node does nothing with {', '.join(names)}: mail goes as if that were not set"


def _doubt_services(settings: Settings) -> Iterator[str]:
    """Services that mail goes to and master.cf does not have; whoever writes one to add a service may think of no others."""
    wanted = {"default_transport": settings.default_transport}
    if settings.relay_domains:
        wanted["relay_transport"] = settings.relay_transport
    for parameter, value in wanted.items():
        service = value.partition(":")[0]
        if service not in INTERNAL_SERVICES and find_protocol(settings, service) is None:
            remedy = f"add a line: {service} unix - - n - - smtp" if settings.services.services else "name smtp, relay or lmtp"
            yield f"{parameter} = {value}: there is no such delivery agent, and mail waits that goes there; {remedy}"


def _doubt_mailboxes(settings: Settings) -> list[str]:
    if not settings.mydestination or has_mailboxes(settings):
        return []
    return [
        f"this node has no mailboxes: mail for mydestination ({', '.join(settings.mydestination)}) goes back to its senders."
        " Leave mydestination empty to send it where DNS says, or set local_transport, to lmtp:unix:/path for example"
    ]
