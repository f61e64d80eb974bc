"""The doors by which mail comes to a node: what smtpd(8) knows about clients, and where we listen."""

from __future__ import annotations

import re

from mailrider.settings.kinds import PORT_LIMIT, Choice, Count, Flag, Patterns, Seconds, Tables, Text, Words
from mailrider.settings.parameter import Parameter, Section, WrongValue

PATH_LIMIT_OCTETS = 107
"""What a unix socket's name may have (unix(7))."""

_PLACE = re.compile(r"(?:\[(?P<bracketed>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9_.*-]*)):(?P<port>[0-9]{1,5})")


class Places(Parameter[tuple[tuple[str, int, str], ...]]):
    """Where to listen: `host:port`, `[address]:port`, `unix:/path`; host, port and path of each.  `*` is every address."""

    wanted = "a list of places, each as host:port or unix:/path"

    def _convert(self, text: str) -> tuple[tuple[str, int, str], ...]:
        return tuple(self._read(word) for word in text.replace(",", " ").split())

    def _read(self, word: str) -> tuple[str, int, str]:
        path = word.removeprefix("unix:")
        if path != word:
            if not path.startswith("/") or len(path.encode()) > PATH_LIMIT_OCTETS:
                raise WrongValue(self.wanted)
            return "", 0, path
        match = _PLACE.fullmatch(word)
        if match is None or int(match["port"]) > PORT_LIMIT or not (match["bracketed"] or match["host"]):
            raise WrongValue(self.wanted)
        host = match["bracketed"] or match["host"]
        return "" if host == "*" else host, int(match["port"]), ""


class Intake(Section, title="intake"):
    """Listeners of a node."""

    intake_smtp_listen = Places(
        "127.0.0.1:2525", "Where a node takes mail by SMTP, as host:port or unix:/path.",
        ours=True, since="", in_effect=True,
    )  # fmt: skip
    intake_lmtp_listen = Places(
        "", "Where a node takes mail by LMTP, as host:port or unix:/path.",
        ours=True, since="", in_effect=True,
    )  # fmt: skip
    intake_password_maps = Tables(
        "", "Tables with the password of each user who may log in, or what intake.passwords.hash_password makes of it.",
        ours=True, since="", in_effect=True,
    )  # fmt: skip
    smtpd_banner = Text(
        "$myhostname ESMTP $mail_name", "What follows the 220 of the greeting.",
        since="pre-2.0", least=1, listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_timeout = Seconds(
        "${stress?{10}:{300}}s", "How long a client may be silent.",
        since="pre-2.0", listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_recipient_limit = Count(
        "1000", "How many recipients a message may have.",
        since="pre-2.0", least=1, listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_soft_error_limit = Count(
        "10", "After how many errors a client is answered slowly.",
        since="pre-2.0", least=1, listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_hard_error_limit = Count(
        "${stress?{1}:{20}}", "After how many errors a client is put out.",
        since="pre-2.0", least=1, listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_junk_command_limit = Count(
        "${stress?{1}:{100}}", "After how many commands that bring no mail each one counts as an error.",
        since="pre-2.0", least=1, listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_error_sleep_time = Seconds(
        "1s", "How long a client with many errors waits for a reply.",
        since="pre-2.0", least=0, listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_client_connection_count_limit = Count(
        "50", "How many connections one client may have; 0 sets no limit.",
        since="2.2", listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_client_event_limit_exceptions = Patterns(
        "${smtpd_client_connection_limit_exceptions:$mynetworks}", "The clients without that limit.",
        since="2.2", listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_peername_lookup = Flag(
        "yes", "Ask for the names of clients.",
        since="2.3", listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_authorized_xforward_hosts = Patterns(
        "", "The clients whose XFORWARD is believed.",
        since="2.1", listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_helo_required = Flag(
        "no", "Take no mail from a client that has not said who it is.",
        since="pre-2.0", listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_discard_ehlo_keywords = Words(
        "", "What is not announced to clients.",
        since="2.2", listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_forbid_bare_newline = Choice(
        "no", "What becomes of text with bare line feeds: refused with reject, else made whole; never an end of data.",
        of=("no", "yes", "normalize", "note", "reject"), since="3.7", listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_forbid_bare_newline_exclusions = Patterns(
        "$mynetworks", "The clients that are not refused for bare line feeds.",
        since="3.7", listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_forbid_bare_newline_reject_code = Count(
        "550", "The code of that refusal.",
        since="3.7", least=500, most=599, listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_sasl_auth_enable = Flag(
        "no", "Let users log in, by intake_password_maps.",
        since="pre-2.0", listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_sasl_authenticated_header = Flag(
        "no", "Name the user who logged in in the Received field.",
        since="2.3", listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_tls_security_level = Choice(
        "", "Whether STARTTLS is offered (may) or required (encrypt).",
        of=("none", "may", "encrypt"), empty=True, since="2.3", listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_tls_auth_only = Flag(
        "no", "Let nobody log in in clear text.",
        since="2.2", listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_tls_chain_files = Words(
        "", "Files with a private key and its certificate chain.",
        since="3.4", listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_tls_cert_file = Text(
        "", "The file with the certificate chain.",
        since="2.2", listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_tls_key_file = Text(
        "$smtpd_tls_cert_file", "The file with its private key.",
        since="2.2", listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_tls_protocols = Text(
        ">=TLSv1", "The versions of TLS that clients may use; TLSv1.2 is the least.",
        since="2.6", listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_tls_mandatory_protocols = Text(
        ">=TLSv1", "The same where TLS is required.",
        since="2.3", listed=False, in_effect=True,
    )  # fmt: skip
    smtpd_tls_received_header = Flag(
        "no", "Tell of TLS in the Received field.",
        since="2.2", listed=False, in_effect=True,
    )  # fmt: skip
    hopcount_limit = Count(
        "50", "With how many Received fields a message goes in circles.",
        since="pre-2.0", least=1, listed=False, in_effect=True,
    )  # fmt: skip
    always_add_missing_headers = Flag(
        "no", "Complete the header of mail that did not begin its way here.",
        since="2.6", listed=False, in_effect=True,
    )  # fmt: skip
    local_header_rewrite_clients = Words(
        "permit_inet_interfaces", "Whose mail begins its way here: permit_inet_interfaces, permit_mynetworks.",
        since="2.2", listed=False, in_effect=True,
    )  # fmt: skip
