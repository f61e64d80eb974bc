"""Finding servers: name service, MX and SRV, address choice, ports, own addresses, fallback."""

from __future__ import annotations

from mailrider.settings.kinds import (
    Address,
    Choice,
    Count,
    Flag,
    NameServers,
    NextHops,
    Patterns,
    Ports,
    Tables,
    Text,
    Words,
)
from mailrider.settings.parameter import Section


class Servers(Section, title="finding servers"):
    """From a next hop to the addresses that are tried."""

    disable_dns_lookups = Flag(
        "no", "Ask the host's own name service only, and never for MX records.",
        since="pre-2.0", obsolete="it only decides where smtp_dns_support_level is empty",
        replaced_by="smtp_dns_support_level", in_effect=True,
    )  # fmt: skip
    smtp_dns_support_level = Choice(
        "", "Whether DNS is asked, and whether answers must say that they were validated.",
        since="2.11", of=("disabled", "enabled", "dnssec"), empty=True, in_effect=True,
    )  # fmt: skip
    smtp_host_lookup = Words(
        "dns", "Where the addresses of a host are looked up; DNS always comes first.",
        since="2.1", of=("dns", "native"), least=1, in_effect=True,
    )  # fmt: skip
    smtp_dns_resolver_options = Words(
        "", "Complete host names from the resolver's own domain or search list.",
        since="2.8", of=("res_defnames", "res_dnsrch"), in_effect=True,
    )  # fmt: skip
    smtp_dns_reply_filter = Tables(
        "", "Tables that see every DNS record as text and may have it ignored.",
        since="3.0", in_effect=True,
    )  # fmt: skip
    dnssec_probe = Text(
        "ns:.", "The question that shows whether the name servers validate; empty asks none.",
        since="3.6", in_effect=True,
    )  # fmt: skip
    dns_nameservers = NameServers(
        "", "The name servers to ask, as address or address:port; empty means those of the system.",
        since="", ours=True, in_effect=True,
    )  # fmt: skip
    ignore_mx_lookup_error = Flag(
        "no", "When the MX question fails, go on with the addresses of the domain itself.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    smtp_defer_if_no_mx_address_found = Flag(
        "no", "Defer instead of bounce when no MX host has an address.",
        since="2.1", in_effect=True,
    )  # fmt: skip
    use_srv_lookup = Patterns(
        "", "Services whose servers are found by SRV records.",
        since="3.8", in_effect=True,
    )  # fmt: skip
    ignore_srv_lookup_error = Flag(
        "no", "When the SRV question fails, go on with MX and address records.",
        since="3.8", in_effect=True,
    )  # fmt: skip
    allow_srv_lookup_fallback = Flag(
        "no", "When there are no SRV records, go on with MX and address records.",
        since="3.8", in_effect=True,
    )  # fmt: skip
    smtp_cname_overrides_servername = Flag(
        "no", "Know a server by the name its alias points to.",
        since="2.2.9", obsolete="Postfix 3.11 advises against it", in_effect=True,
    )  # fmt: skip
    smtp_randomize_addresses = Flag(
        "yes", "Shuffle servers of equal preference.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    smtp_address_preference = Choice(
        "any", "The address family that comes first at equal preference.",
        since="2.8", of=("any", "ipv4", "ipv6"), in_effect=True,
    )  # fmt: skip
    smtp_balance_inet_protocols = Flag(
        "yes", "Keep servers of both address families when the address limit cuts the list.",
        since="3.3", in_effect=True,
    )  # fmt: skip
    smtp_mx_address_limit = Count(
        "5", "How many addresses are tried for one next hop; 0 sets no limit.",
        since="2.1", in_effect=True,
    )  # fmt: skip
    smtp_mx_session_limit = Count(
        "2", "How many sessions that got past the login are tried for one next hop; 0 sets no limit.",
        since="2.1", in_effect=True,
    )  # fmt: skip
    best_mx_transport = Text(
        "", "The transport that takes mail for which this host turns out to be the best MX.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    fallback_relay = NextHops(
        "", "Was the name of smtp_fallback_relay, and still is its default.",
        since="pre-2.0", listed=False, obsolete="it was renamed in Postfix 2.3", replaced_by="smtp_fallback_relay",
        in_effect=True,
    )  # fmt: skip
    smtp_fallback_relay = NextHops(
        "$fallback_relay", "Where mail goes whose own servers cannot be found or reached.",
        since="2.3", mirror_default="", in_effect=True,
    )  # fmt: skip
    relayhost = NextHops(
        "", "The next hop of mail to other domains; a hard error of its own is turned into a deferral.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    smtp_tcp_port = Text(
        "smtp", "The service name or port for next hops that give none.",
        since="3.2", mirror_default="24", least=1, in_effect=True,
    )  # fmt: skip
    known_tcp_ports = Ports(
        "lmtp=24, smtp=25, smtps=submissions=465, submission=587",
        "Ports of services by name, looked at before the system's own list.",
        since="3.6", in_effect=True,
    )  # fmt: skip
    inet_protocols = Words(
        "all", "The address families that are used.",
        since="2.2", of=("all", "ipv4", "ipv6"), least=1, in_effect=True,
    )  # fmt: skip
    inet_interfaces = Words(
        "all", "The addresses that are this host's; a single one is also the source address.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
    proxy_interfaces = Words(
        "", "Further addresses at which this host is reached through a proxy or translator.",
        in_effect=True,
    )  # fmt: skip
    smtp_bind_address = Address(
        "", "The IPv4 source address.",
        since="pre-2.0", version=4, in_effect=True,
    )  # fmt: skip
    smtp_bind_address6 = Address(
        "", "The IPv6 source address.",
        since="2.2", version=6, in_effect=True,
    )  # fmt: skip
    smtp_bind_address_enforce = Flag(
        "no", "Defer when the source address cannot be used, instead of taking another.",
        since="3.7", in_effect=True,
    )  # fmt: skip
    tcp_windowsize = Count(
        "0", "The size of both socket buffers in octets; 0 leaves it to the system.",
        since="2.6", in_effect=True,
    )  # fmt: skip
    helpful_warnings = Flag(
        "yes", "Warn of settings that are probably not what was meant.",
        since="2.0", in_effect=True,
    )  # fmt: skip
