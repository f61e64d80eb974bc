"""The tree that `mailrider probe` draws for people, from the values of `probe_facts`; nothing in it is markup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text
from rich.tree import Tree

if TYPE_CHECKING:
    from rich.console import Console

Facts = dict[str, Any]

RECORDS_SHOWN = 10
NAMES_SHOWN = 8
LINES_SHOWN = 12
"""What more there is, `--json` has."""

_COLOURS = {"delivered": "bold green", "deferred": "bold yellow", "bounced": "bold red"}


def draw(facts: Facts, console: Console, *, verbose: bool) -> None:
    """Print the tree; `verbose` adds every line of the conversations."""
    tree = Tree(Text(f"mail for {facts['nexthop']}", "bold"))
    _add_verdict(tree, facts["verdict"])
    if facts["dns"]:
        _add_questions(tree, facts["dns"])
    for destination in facts["destinations"]:
        _add_destination(tree, destination, verbose)
    _add_notes(tree, facts["notes"])
    console.print(tree)


def _add(tree: Tree, text: str, style: str = "") -> Tree:
    return tree.add(Text(text, style))


def _add_verdict(tree: Tree, verdict: Facts | None) -> None:
    if verdict is None:
        _add(tree, "nothing was connected to, so nobody knows what would become of a message", "dim")
        return
    where = f" to {verdict['relay']}" if verdict["relay"] and verdict["outcome"] == "delivered" else ""
    branch = _add(tree, f"a message would be {verdict['outcome']}{where}", _COLOURS[verdict["outcome"]])
    if verdict["reason"]:
        _add(branch, f"{verdict['reason']['status']} {verdict['reason']['text']}")


def _add_questions(tree: Tree, questions: list[Facts]) -> None:
    branch = _add(tree, "what the name servers said", "bold")
    for asked in questions:
        mark = {True: " (validated: AD)", False: " (not validated)", None: ""}[asked["validated"]]
        line = _add(branch, f"{asked['name']} {asked['type']}: {asked['verdict']}{mark}")
        for record in asked["records"][:RECORDS_SHOWN]:
            _add(line, record, "dim")
        _add_more(line, len(asked["records"]) - RECORDS_SHOWN)
        if asked["reason"]:
            _add(line, asked["reason"], "dim")


def _add_more(tree: Tree, count: int) -> None:
    if count > 0:
        _add(tree, f"and {count} more", "dim")


def _add_destination(tree: Tree, destination: Facts, verbose: bool) -> None:
    word = "fallback relay" if destination["fallback"] else "destination"
    branch = _add(tree, f"{word} {destination['destination']}", "bold")
    if destination["failure"]:
        _add(branch, f"no servers: {destination['failure']['status']} {destination['failure']['text']}", "red")
    for number, server in enumerate(destination["servers"], 1):
        _add_server(branch, number, server, verbose)
    if destination["beyond_limit"]:
        _add(branch, f"beyond the limit of addresses: {', '.join(destination['beyond_limit'])}", "dim")


def _add_server(tree: Tree, number: int, server: Facts, verbose: bool) -> None:
    preference = f" preference {server['preference']}" if server["preference"] else ""
    signed = ", address validated" if server["address_validated"] else ""
    branch = _add(tree, f"{number}. {server['relay']}{preference}{signed}", "bold cyan")
    _add_policy(branch, server["policy"])
    if server["obstacle"]:
        _add(branch, f"passed over: {server['obstacle']}", "red")
    if server["tls"]:
        _add_tls(branch, server["tls"])
    elif server["ready"]:
        _add(branch, "no TLS: mail would go in clear", "yellow")
    _add_list(branch, "announced before TLS" if server["tls"] else "announced", server["ehlo_before_tls"])
    _add_list(branch, "announced inside TLS", server["ehlo_after_tls"])
    _add_login(branch, server["login"])
    if server["failure"]:
        _add(branch, f"no mail: {server['failure']['status']} {server['failure']['text']}", "red")
    elif server["ready"]:
        _add(branch, f"takes mail ({server['seconds']:.3f} s)", "green")
    _add_notes(branch, server["notes"])
    if verbose and server["dialogue"]:
        talk = _add(branch, "the conversation", "bold")
        for line in server["dialogue"]:
            _add(talk, line, "dim")


def _add_policy(tree: Tree, policy: Facts) -> None:
    if policy["error"]:
        _add(tree, f"no TLS policy: {policy['error']['status']} {policy['error']['text']}", "red")
        return
    asked = f" (asked for: {policy['requested']})" if policy["requested"] != policy["level"] else ""
    branch = _add(tree, f"TLS level {policy['level']}{asked}", "magenta")
    name = policy["source"].removesuffix(" = ")
    _add(branch, f"chosen by {name}" if name == policy["source"] else f"chosen by {name}, which is not set")
    if policy["reason"]:
        _add(branch, f"because of {policy['reason']}")
    _add_list(branch, "the certificate must be for one of", policy["names"])
    _add_list(branch, "the certificate or key must match one of", policy["records"])
    _add_list(branch, "servers must be named like one of", policy["mx_patterns"])
    _add_list(branch, "published", policy["published"])
    if policy["published_failure"]:
        _add(branch, f"published, but cannot be had: {policy['published_failure']}", "yellow")


def _add_tls(tree: Tree, tls: Facts) -> None:
    more = f", key exchange {tls['key_exchange']}" if tls["key_exchange"] else ""
    head = f"{tls['standing']} TLS: {tls['protocol']} with {tls['cipher']} ({tls['bits']} bits{more})"
    branch = _add(tree, head, "green" if tls["matched"] or not tls["problem"] else "yellow")
    if tls["server_name"]:
        _add(branch, f"asked for {tls['server_name']}")
    if tls["matched_by"]:
        _add(branch, tls["matched_by"])
    if tls["problem"]:
        _add(branch, tls["problem"], "yellow")
    for depth, shown in enumerate(tls["chain"]):
        line = _add(branch, f"certificate {depth}: {shown['subject'] or '(no name)'}, by {shown['issuer'] or '(nobody)'}")
        _add(line, f"from {shown['from']} to {shown['to']}", "dim")
        _add_list(line, "for", shown["names"])
    if tls["fingerprint"]:
        _add(branch, f"fingerprint {tls['fingerprint']}", "dim")


def _add_login(tree: Tree, login: Facts | None) -> None:
    if login is None:
        return
    if login["mechanism"]:
        _add(tree, f"would log in as {login['user']} by {login['mechanism']}")
    elif login["reason"]:
        _add(tree, f"cannot log in as {login['user']}: {login['reason']}", "red")
    else:
        _add(tree, f"would not log in as {login['user']}: AUTH is not announced", "yellow")


def _add_list(tree: Tree, title: str, items: list[str]) -> None:
    """A short list in one line, a long one below its title."""
    if not items:
        return
    shown = items[:LINES_SHOWN]
    more = f" and {len(items) - LINES_SHOWN} more" if len(items) > LINES_SHOWN else ""
    if len(items) <= NAMES_SHOWN and sum(map(len, items)) <= LINES_SHOWN * NAMES_SHOWN:
        _add(tree, f"{title}: {', '.join(items)}")
        return
    branch = _add(tree, f"{title}:{more}")
    for item in shown:
        _add(branch, item, "dim")


def _add_notes(tree: Tree, notes: list[str]) -> None:
    for note in notes:
        _add(tree, f"note: {note}", "yellow")
