"""Every parameter, declared once, by subject.

`Catalogue` joins the sections.  To put a parameter into effect, change its `in_effect`; what else there is to a
declaration is said in `mailrider.settings.parameter`.
"""

from __future__ import annotations

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


class Catalogue(
    Servers, Greeting, Patience, Connections, Pace, Content, Tls, OldTls, TlsEngine, Login, Reports, House, Routing, Queue,
    Slots, Node, Intake, title="all",
):  # fmt: skip
    """All parameters."""
