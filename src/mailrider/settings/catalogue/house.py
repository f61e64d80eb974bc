"""Who this host is, where its files are, and what the process is called."""

from __future__ import annotations

from mailrider.settings.kinds import Flag, HostName, Level, Patterns, Text, Words
from mailrider.settings.parameter import Section

SUBDOMAIN_PARAMETERS = (
    "debug_peer_list,fast_flush_domains,mynetworks,permit_mx_backup_networks,qmqpd_authorized_clients,relay_domains,"
    "smtpd_access_maps"
)


class House(Section, title="this host"):
    """Names, places, and the release that a configuration was written for."""

    compatibility_level = Level(
        "0", "The Postfix release whose defaults the configuration was written for.",
        since="3.0", in_effect=True,
    )  # fmt: skip
    myhostname = HostName(
        "", "The full name of this host; by default what the system says.",
        since="pre-2.0", computed=True, in_effect=True,
    )  # fmt: skip
    mydomain = HostName(
        "", "The domain of this host; by default its name without the first label.",
        since="pre-2.0", computed=True, in_effect=True,
    )  # fmt: skip
    myorigin = Text(
        "$myhostname", "The domain that is added to addresses without one.",
        since="pre-2.0", least=1, in_effect=True,
    )  # fmt: skip
    mynetworks = Patterns(
        "", "The networks whose clients may relay; where it is not set, a node lets this host relay.",
        since="pre-2.0", computed=True, in_effect=True,
    )  # fmt: skip
    config_directory = Text(
        "/etc/postfix", "Where main.cf is; set on the command line and nowhere else.",
        since="pre-2.0", computed=True, in_effect=True,
    )  # fmt: skip
    queue_directory = Text(
        "/var/spool/postfix", "Where mail is kept.",
        since="pre-2.0", least=1, in_effect=True,
    )  # fmt: skip
    data_directory = Text(
        "/var/lib/postfix", "Where caches and other files that may be lost are kept.",
        since="2.5", least=1, in_effect=True,
    )  # fmt: skip
    html_directory = Text(
        "/usr/share/doc/postfix/html", "Where Postfix's manual is as HTML.",
        in_effect=True,
    )  # fmt: skip
    readme_directory = Text(
        "/usr/share/doc/postfix", "Where Postfix's manual is as text.",
        in_effect=True,
    )  # fmt: skip
    mail_name = Text(
        "Postfix", "What the mail system calls itself.",
        since="pre-2.0", least=1, in_effect=True,
    )  # fmt: skip
    mail_version = Text(
        "3.7.11", "The release whose behaviour is reproduced.",
        since="pre-2.0", least=1, in_effect=True,
    )  # fmt: skip
    multi_instance_name = Text(
        "", "The name of this one of several instances; the log knows it by that.",
        since="2.6", in_effect=True,
    )  # fmt: skip
    process_id = Text(
        "", "The number of the process.",
        since="pre-2.0", computed=True, read_only=True, in_effect=True,
    )  # fmt: skip
    process_name = Text(
        "", "The name of the program.",
        since="pre-2.0", computed=True, read_only=True, in_effect=True,
    )  # fmt: skip
    service_name = Text(
        "", "The name of the service in master.cf.",
        since="3.3", computed=True, read_only=True, in_effect=True,
    )  # fmt: skip
    default_database_type = Text(
        "hash", "The table type for commands that are given none.",
        since="pre-2.0", least=1, in_effect=True,
    )  # fmt: skip
    daemon_table_open_error_is_fatal = Flag(
        "no", "Let an agent under Postfix stop instead of defer when a table cannot be opened; other commands always do.",
        since="2.9", in_effect=True,
    )  # fmt: skip
    parent_domain_matches_subdomains = Words(
        SUBDOMAIN_PARAMETERS, "The parameters in which a domain also stands for the domains below it.",
        since="pre-2.0", in_effect=True,
    )  # fmt: skip
