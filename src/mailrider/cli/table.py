"""`mailrider table`: look keys up in lookup tables, list them, and build them, in the manner of postmap(1).

Output and exit codes are those of postmap: 0 where something was found (or listed, or built), 1 where nothing was found or a
table could not be asked, which a line on standard error then says.  Wrong usage is 64, as everywhere here.

What differs from postmap(1): `-o` overrides a parameter and `-h` helps, as in the other commands; there is no `-i`, `-d`, `-b`
and `-m`; `--json` takes the place of `-j`; `-s` lists a text in the order of its lines.
"""

from __future__ import annotations

import base64
import binascii
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from mailrider.cli.options import common_options
from mailrider.errors import TableTrouble, WrongConfiguration, WrongUsage
from mailrider.model.printable import make_printable

if TYPE_CHECKING:
    from mailrider.settings import Settings
    from mailrider.tables.table import Table

NOT_FOUND: Final = 1
"""Exit code of postmap(1), for failures too."""

STANDARD_INPUT: Final = "-"

KEY_LINE_LIMIT_OCTETS: Final = 1024 * 1024
"""A longer line on standard input is no key of anything."""

TEXT_TYPES: Final = ("cidr", "inline", "pcre", "randmap", "regexp", "static", "texthash")
"""Types whose values are as the operator wrote them; under -F they name files."""

EXAMPLES = """\b
Examples:
  mailrider table -q user@example.com texthash:/etc/mail/generic
  mailrider table -q - regexp:/etc/mail/checks pcre:/etc/mail/more <keys
  mailrider table -s lmdb:/etc/mail/transport
  mailrider table lmdb:/etc/mail/transport        build it from /etc/mail/transport
  mailrider table -c /etc/postfix -q example.com ldap:directory
"""


@click.command("table", context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXAMPLES)
@common_options
@click.option(
    "-q", "query", metavar="KEY", help="Print the value of KEY; with - of each line of standard input, behind its key."
)
@click.option("-s", "listing", is_flag=True, help="Print all keys and values.")
@click.option("-f", "exact", is_flag=True, help="Do not fold keys to small letters.")
@click.option("-F", "files", is_flag=True, help="Values name files, and stand for what is in them.")
@click.option("-r", "replace", is_flag=True, help="When building: the last of several entries with one key counts.")
@click.option("-w", "quiet", is_flag=True, help="When building: do not warn about several entries with one key.")
@click.option(
    "-N", "null", flag_value=True, default=None, type=bool, help="When building: a null octet behind each key and value."
)
@click.option("-n", "null", flag_value=False, type=bool, help="When building: no null octet there.")
@click.option("--json", "as_json", is_flag=True, help='With -q or -s: lines of {"key": "value"}.')
@click.argument("tables", nargs=-1, metavar="[TYPE:]NAME...")
def table(
    directory: Path | None,
    overrides: tuple[str, ...],
    verbose: int,
    *,
    query: str | None,
    listing: bool,
    exact: bool,
    files: bool,
    replace: bool,
    quiet: bool,
    null: bool | None,
    as_json: bool,
    tables: tuple[str, ...],
) -> None:
    """Look keys up in lookup tables, list tables, or build them.

    Of several tables the first that has a key answers.  Without -q and -s, tables of the types lmdb, cdb, hash and btree
    are built from the texts they are named for.  The default TYPE is default_database_type.  See docs/tables.md for the types.
    """
    if query is not None and listing:
        raise WrongUsage("specify only one of -q and -s")
    if as_json and query is None and not listing:
        raise WrongUsage("--json needs -q or -s")
    if not tables:
        raise WrongUsage("no table is named; mailrider table -h shows how")
    place = _Place(directory, overrides)
    try:
        titles = [place.complete(title) for title in tables]
        if query is None and not listing:
            _build(titles, exact=exact, files=files, replace=replace, quiet=quiet, null=null)
            return
        show = _print_json if as_json else _print_pair
        with closing(_Opened(titles, place, folds=not exact, files=files)) as opened:
            if listing:
                for key, value in opened.entries():
                    show(key, value)
            elif query == STANDARD_INPUT:
                _query_all(opened, show)
            else:
                _query_one(opened, query or "", as_json)
    except (TableTrouble, WrongConfiguration) as trouble:
        sys.stdout.flush()
        _say(f"mailrider: {trouble}")
        raise SystemExit(NOT_FOUND) from None


class _Place:
    """Where main.cf is; it is read when something in it is needed, and checked where it was named."""

    def __init__(self, directory: Path | None, overrides: tuple[str, ...]) -> None:
        self._directory = directory
        self._overrides = overrides
        self._settings: Settings | None = None
        if directory is not None or overrides:
            self.find_parameter("default_database_type")

    def find_parameter(self, name: str) -> str | None:
        """The value of a parameter, expanded, or None where it is not set."""
        from mailrider.machine import choose_configuration, read_settings_unchecked

        if self._settings is None:
            self._settings = read_settings_unchecked(choose_configuration(self._directory), self._overrides)
        if name == "default_database_type" or self._settings.is_set(name):
            return self._settings.text(name)
        return None

    def complete(self, title: str) -> str:
        """`type:name`, with the usual type where none is given."""
        return title if ":" in title else f"{self.find_parameter('default_database_type')}:{title}"


class _Opened:
    """Tables that are opened when it comes to them."""

    def __init__(self, titles: list[str], place: _Place, *, folds: bool, files: bool) -> None:
        from mailrider.tables.source import Surroundings

        self._titles = titles
        self._files = files
        self._surroundings = Surroundings(warn=_warn, folds=folds, find_parameter=place.find_parameter)
        self._tables: list[Table | None] = [None] * len(titles)

    def find(self, key: str) -> bytes | None:
        """The value from the first table that has the key."""
        from mailrider.tables.opening import open_table

        for position, title in enumerate(self._titles):
            table = self._tables[position] or open_table(title, surroundings=self._surroundings)
            self._tables[position] = table
            value = table.find(key)
            if value is not None:
                if not value:
                    _warn(f"table {title}: key {key}: an empty value is not allowed; a table should answer that it has none")
                return self._resolve(title, value)
        return None

    def close(self) -> None:
        """Let go of what is open."""
        from mailrider.tables.table import close_table

        for table in self._tables:
            if table is not None:
                close_table(table)

    def entries(self) -> Iterator[tuple[str, bytes]]:
        """What is in the first table."""
        from mailrider.tables.opening import open_table
        from mailrider.tables.table import ListedTable

        title = self._titles[0]
        table = open_table(title, surroundings=self._surroundings)
        if not isinstance(table, ListedTable):
            raise TableTrouble(f"{title}: a table of this type cannot be listed")
        for key, value in table.entries():
            yield key, self._resolve(title, value)

    def _resolve(self, title: str, value: str) -> bytes:
        """The value, or under -F what is in the files that it stands for."""
        if not self._files:
            return _encode(value)
        from mailrider.tables.building import read_files

        if title.removeprefix("proxy:").partition(":")[0] in TEXT_TYPES:
            return read_files(value)
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise TableTrouble(f"table {title}: malformed BASE64 value: {value[:30]}") from None


def _query_one(opened: _Opened, key: str, as_json: bool) -> None:
    value = opened.find(key)
    if value is None:
        raise SystemExit(NOT_FOUND)
    if as_json:
        _print_json(key, value)
    else:
        click.echo(value)


def _query_all(opened: _Opened, show: Callable[[str, bytes], None]) -> None:
    """Answer each line of standard input."""
    from mailrider.cli.standard_input import open_standard_input

    found = False
    keys = open_standard_input("keys")
    for line in iter(lambda: keys.readline(KEY_LINE_LIMIT_OCTETS + 1), b""):
        if len(line) > KEY_LINE_LIMIT_OCTETS:
            raise TableTrouble(f"a key on standard input is longer than {KEY_LINE_LIMIT_OCTETS} octets")
        # What follows a null octet does not exist for postmap.
        key = line.removesuffix(b"\n").partition(b"\0")[0].decode("utf-8", "surrogateescape")
        value = opened.find(key)
        if value is not None:
            found = True
            show(key, value)
    if not found:
        raise SystemExit(NOT_FOUND)


def _build(titles: list[str], *, exact: bool, files: bool, replace: bool, quiet: bool, null: bool | None) -> None:
    from mailrider.tables.building import Duplicates, Manner, build_table

    duplicates = Duplicates.REPLACE if replace else Duplicates.IGNORE if quiet else Duplicates.WARN
    manner = Manner(folds=not exact, values_are_files=files, duplicates=duplicates, ends_with_null=null)
    for title in titles:
        kind, _, name = title.partition(":")
        build_table(kind, name, manner, _warn)


def _print_pair(key: str, value: bytes) -> None:
    click.echo(_encode(key) + b"\t" + value)


def _print_json(key: str, value: bytes) -> None:
    click.echo(json.dumps({key: value.decode("utf-8", "surrogateescape")}))


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _warn(sentence: str) -> None:
    _say(f"warning: {sentence}")


def _say(sentence: str) -> None:
    click.echo(make_printable(sentence), err=True)
