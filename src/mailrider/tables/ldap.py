"""`ldap:/path`: a definition that names LDAP servers (ldap_table(5)).

Parameters: `server_host` (`host`, `host:port`, or URIs `ldap://`, `ldaps://`, `ldapi://`, tried in their order),
`server_port`, `version` (2), `timeout`, `search_base`, `scope`, `query_filter`, `result_attribute`,
`special_result_attribute`, `terminal_result_attribute`, `leaf_result_attribute`, `result_format`, `domain`,
`expansion_limit`, `size_limit`, `recursion_limit`, `dereference`, `chase_referrals`, `bind`, `bind_dn`, `bind_pw`,
`start_tls`, `tls_require_cert`, `tls_ca_cert_file`, `tls_ca_cert_dir`, `tls_cert`, `tls_key`, `tls_cipher_suite`.

Needs the package `ldap3`.

What differs from Postfix: `bind = sasl` is refused; without `timeout` the time limit is that of other tables, and it is for
the lookup as a whole; after a server has let it pass, lookups fail at once for a while (`dialogue.REST_SECONDS`).
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable
from typing import Any, Final

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.definition import Definition
from mailrider.tables.dialogue import REST_SECONDS, Deadline, SlowDialogue
from mailrider.tables.directory import (
    DEREFERENCES,
    SCOPES,
    Account,
    ConnectionGone,
    Directory,
    DirectoryTimeout,
    DirectoryTrouble,
    Entry,
    Search,
    load_library,
)
from mailrider.tables.key_template import KeyTemplates
from mailrider.tables.ldap_attributes import REFERENCES_LIMIT, AttributePlan, is_url, pick_items, split_url
from mailrider.tables.queried import QueriedTable
from mailrider.tables.source import Surroundings

USUAL_PORT: Final = 389
USUAL_FILTER: Final = "(mailacceptinggeneralid=%s)"
RECURSION_LIMIT: Final = 1000
"""The default of `recursion_limit`."""

_IN_FILTER = re.compile(r"[*()\\]")
_IN_NAME = re.compile(r'[ \t"#+,;<>\\]')


class LdapTable(QueriedTable):
    """`ldap:`."""

    kind = "ldap"
    _directory: Directory | None = None

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        self._library = load_library()
        self._rests_until_seconds: float | None = None
        super().__init__(name, surroundings)

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what is open; the next lookup opens it again."""
        directory, self._directory = self._directory, None
        if directory is not None:
            directory.close()

    def _configure(self, definition: Definition) -> KeyTemplates:
        self.close()
        port = definition.number("server_port", USUAL_PORT, 1)
        self._uris = [_write_uri(host, port) for host in definition.members("server_host") or ["localhost"]]
        self._account = self._read_account(definition)
        self._base = definition.text("search_base")
        scope = definition.text("scope", "sub").lower()
        if scope not in SCOPES:
            raise WrongConfiguration(f"{self.title}: scope = {scope}: there are {', '.join(SCOPES)}")
        self._scope = SCOPES[scope]
        self._filter = definition.text("query_filter", USUAL_FILTER)
        self._plan = AttributePlan(
            terminal=definition.members("terminal_result_attribute"),
            leaf=definition.members("leaf_result_attribute"),
            ordinary=definition.members("result_attribute") or _usual_attribute(definition),
            special=definition.members("special_result_attribute"),
        )
        self._recursion_limit = definition.number("recursion_limit", RECURSION_LIMIT, 1)
        self._size_limit = definition.number("size_limit", definition.number("expansion_limit", 0, 0), 0)
        result_format = definition.text("result_format") or definition.text("result_filter", "%s", required=True)
        self._base_is_fixed = "%" not in self._base
        if "%" not in self._filter:
            self._surroundings.warn(f"{self.title}: query_filter has no %s: it asks the same for every key")
        return KeyTemplates(self.title, [self._base, self._filter], result_format)

    def _read_account(self, definition: Definition) -> Account:
        bind = definition.text("bind", "yes", required=True).lower()
        if bind not in ("yes", "simple", "no", "none"):
            raise WrongConfiguration(f"{self.title}: bind = {bind}: not supported; there are yes, simple, no, none")
        version = definition.number("version", 2)
        starts_tls = definition.is_on("start_tls", False)
        if version not in (2, 3):
            self._surroundings.warn(f"{self.title}: version = {version} is unknown; 2 is used")
            version = 2
        if version == 2 and (starts_tls or any(not uri.startswith("ldap://") for uri in self._uris)):
            self._surroundings.warn(f"{self.title}: TLS and local sockets need version = 3, which is used")
            version = 3
        dereference = definition.number("dereference", 0)
        if not 0 <= dereference < len(DEREFERENCES):
            self._surroundings.warn(f"{self.title}: dereference = {dereference} is unknown; 0 is used")
            dereference = 0
        return Account(
            version=version,
            binds=bind in ("yes", "simple"),
            name=definition.text("bind_dn"),
            password=definition.text("bind_pw"),
            chases_referrals=definition.is_on("chase_referrals", False),
            dereference=DEREFERENCES[dereference],
            starts_tls=starts_tls,
            tls=_read_tls(definition),
        )

    def _ask(self, key: str) -> Iterable[str | None] | None:
        base = self._templates.expand_query(self._base, key, quote_in_name) if self._base else ""
        question = self._templates.expand_query(self._filter, key, quote_in_filter)
        if base is None or question is None:
            return None
        now_seconds = self._surroundings.now_seconds()
        if self._rests_until_seconds is not None and now_seconds < self._rests_until_seconds:
            raise TableTrouble(f"{self.title}: the servers were too slow a moment ago; they are asked again in a while")
        deadline = Deadline(self._time_limit_seconds)
        search = Search(base, self._scope, question, self._plan.wanted(), self._size_limit)
        try:
            try:
                return self._search(search, deadline)
            except ConnectionGone:
                return self._search(search, deadline)
        except (DirectoryTimeout, SlowDialogue):
            self.close()
            self._rests_until_seconds = now_seconds + REST_SECONDS
            raise TableTrouble(f"{self.title}: no answer within {self._time_limit_seconds:g} seconds") from None
        except DirectoryTrouble as trouble:
            self.close()
            raise TableTrouble(f"{self.title}: {trouble}") from None

    def _search(self, search: Search, deadline: Deadline) -> list[str]:
        """The values of what is found.  Raises `DirectoryTrouble`, `SlowDialogue`."""
        directory = self._connect(deadline)
        try:
            entries = directory.search(search, deadline)
            if entries is None:
                if self._base_is_fixed:
                    raise DirectoryTrouble(f"search base {search.base} not found")
                return []
            return self._expand(directory, entries, deadline)
        except ConnectionGone:
            self.close()
            raise

    def _expand(self, directory: Directory, entries: list[Entry], deadline: Deadline) -> list[str]:
        """The values of entries, and in the places of references those of what they lead to."""
        values: list[str] = []
        waiting = [(1, item) for item in reversed(pick_items(self._plan, entries, self._size_limit))]
        followed = 0
        while waiting:
            depth, item = waiting.pop()
            if not item.is_reference:
                values.append(item.text)
                continue
            followed += 1
            if depth >= self._recursion_limit or followed > REFERENCES_LIMIT:
                raise DirectoryTrouble(f"too many entries name each other (recursion_limit = {self._recursion_limit})")
            # An entry that does not exist has no values; a reference to it is no trouble.
            found = directory.search(self._follow(item.text), deadline) or []
            waiting += [(depth + 1, more) for more in reversed(pick_items(self._plan, found, self._size_limit))]
        return values

    def _follow(self, reference: str) -> Search:
        """The question that a reference means: a name, or a URL."""
        if not is_url(reference):
            return Search(reference, SCOPES["base"], "(objectclass=*)", self._plan.wanted(), self._size_limit)
        base, scope, question, attributes = split_url(reference)
        return Search(base, SCOPES[scope], question, self._plan.wanted(attributes), self._size_limit)

    def _connect(self, deadline: Deadline) -> Directory:
        if self._directory is None:
            reasons = []
            for position, uri in enumerate(self._uris):
                share = Deadline(deadline.remaining_seconds() / (len(self._uris) - position))
                try:
                    self._directory = Directory(self._library, uri, self._account, share)
                    break
                except DirectoryTrouble as trouble:
                    reasons.append(trouble)
            else:
                kind = DirectoryTimeout if all(isinstance(t, DirectoryTimeout) for t in reasons) else DirectoryTrouble
                raise kind("; ".join([f"{uri}: {trouble}" for uri, trouble in zip(self._uris, reasons, strict=True)]))
        return self._directory


def quote_in_filter(text: str) -> str:
    """A part of a key, harmless in a filter (RFC 4515 §3)."""
    return _IN_FILTER.sub(lambda match: f"\\{ord(match[0]):02X}", text)


def quote_in_name(text: str) -> str:
    """A part of a key, harmless in a distinguished name (RFC 4514 §2.4)."""
    return _IN_NAME.sub(lambda match: f"\\{ord(match[0]):02X}", text)


def _usual_attribute(definition: Definition) -> list[str]:
    """What Postfix takes where `result_attribute` is not set; set to nothing it is nothing."""
    return [] if definition.text("result_attribute", "maildrop") == "" else ["maildrop"]


def _write_uri(host: str, port: int) -> str:
    if is_url(host):
        return host
    return f"ldap://{host}" if ":" in host else f"ldap://{host}:{port}"


def _read_tls(definition: Definition) -> dict[str, Any]:
    return {
        "validate": ssl.CERT_REQUIRED if definition.is_on("tls_require_cert", False) else ssl.CERT_NONE,
        "local_private_key_file": definition.text("tls_key") or None,
        "local_certificate_file": definition.text("tls_cert") or None,
        "ca_certs_file": definition.text("tls_ca_cert_file") or None,
        "ca_certs_path": definition.text("tls_ca_cert_dir") or None,
        "ciphers": definition.text("tls_cipher_suite") or None,
    }
