"""How a conversation breaks: a value that says what happened, and at which stage."""

from __future__ import annotations

from typing import NamedTuple

from mailrider.errors import ContentTrouble, WireTrouble
from mailrider.smtp.stage import Stage


class Trouble(NamedTuple):
    """The conversation broke: how, and at which stage."""

    cause: WireTrouble | ContentTrouble
    stage: Stage
