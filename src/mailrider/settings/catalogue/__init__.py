"""Every parameter, declared once, by subject.

`Catalogue` joins the sections.  To put a parameter into effect, change its `in_effect`; what else there is to a
declaration is said in `mailrider.settings.parameter`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from mailrider.settings.catalogue.connections import Connections, Pace
from mailrider.settings.catalogue.content import Content
from mailrider.settings.catalogue.greeting import Greeting
from mailrider.settings.catalogue.house import House
from mailrider.settings.catalogue.intake import Intake
from mailrider.settings.catalogue.login import Login
from mailrider.settings.catalogue.node import Node
from mailrider.settings.catalogue.patience import Patience
from mailrider.settings.catalogue.queue import Queue, Routing, Slots
from mailrider.settings.catalogue.reports import Reports
from mailrider.settings.catalogue.servers import Servers
from mailrider.settings.catalogue.tls import OldTls, Tls
from mailrider.settings.catalogue.tls_engine import TlsEngine
from mailrider.settings.parameter import Parameter, Section

FOREIGN_SERVICES = frozenset({"smtpd"})
"""`smtpd_recipient_limit` looks like a parameter of a service and is one of the SMTP server."""

LISTED_SERVICES = ("smtp", "lmtp")
"""The services whose own queue parameters are listed by name."""

SIMILARITY = 0.85
"""How alike two names must be (0 to 1) for one to be taken for a misspelling of the other."""


class Catalogue(
    Servers, Greeting, Patience, Connections, Pace, Content, Tls, OldTls, TlsEngine, Login, Reports, House, Routing, Queue,
    Slots, Node, Intake, title="all",
):  # fmt: skip
    """All parameters, and how they are found by name."""

    _names: ClassVar[dict[str, Parameter[Any]]] = {}
    _families: ClassVar[dict[str, Parameter[Any]]] = {}

    @classmethod
    def find(cls, name: str) -> Parameter[Any] | None:
        """The declaration of a name in main.cf, or None for one that is not ours to know."""
        names = cls._names
        if not names:
            cls._index()
        parameter = names.get(name)
        if parameter is None:
            for suffix, family in cls._families.items():
                if name.endswith(suffix):
                    service = name.removesuffix(suffix)
                    return family if service and service not in FOREIGN_SERVICES else None
        return parameter

    @classmethod
    def _index(cls) -> None:
        """Fill the maps from names and from endings; the longest ending comes first."""
        for parameter in cls.declared.values():
            for name in parameter.names:
                cls._names[name] = parameter
        families = [parameter for parameter in cls.declared.values() if parameter.family]
        families.sort(key=lambda parameter: len(parameter.family), reverse=True)
        cls._families.update((parameter.family, parameter) for parameter in families)

    @classmethod
    def listed_names(cls) -> list[str]:
        """Every name that has a default worth showing, sorted."""
        names = {name for parameter in cls.declared.values() if parameter.listed for name in parameter.names}
        for parameter in cls.declared.values():
            if parameter.family:
                names.update(service + parameter.family for service in LISTED_SERVICES)
        return sorted(names)

    @classmethod
    def sections(cls) -> list[type[Section]]:
        """The sections of the catalogue, in its order."""
        return list(Catalogue.__bases__)

    @classmethod
    def find_similar(cls, name: str) -> str:
        """The declared name that `name` is probably meant to be, or an empty text."""
        from difflib import get_close_matches

        unlisted = [one for one in cls.declared.values() if not (one.listed or one.family or one.obsolete)]
        names = sorted({*cls.listed_names(), *(unlisted_name for one in unlisted for unlisted_name in one.names)})
        return next(iter(get_close_matches(name, names, 1, SIMILARITY)), "")
