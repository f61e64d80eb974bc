"""Mailrider: an outbound mail delivery agent.

    import mailrider

    results = await mailrider.deliver(message, sender="a@example.com", recipients=["b@dest.example"])

See `mailrider.api` for all of it.  Names are loaded when they are first used, so that importing the package costs little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mailrider.api import Agent, DeliveryResult, deliver, deliver_sync
    from mailrider.errors import MailriderError
    from mailrider.node import Node

__all__ = ["Agent", "DeliveryResult", "MailriderError", "Node", "deliver", "deliver_sync"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "MailriderError":
        from mailrider.errors import MailriderError

        return MailriderError
    if name in __all__:
        import importlib

        return getattr(importlib.import_module("mailrider.node" if name == "Node" else "mailrider.api"), name)
    raise AttributeError(f"module 'mailrider' has no attribute {name!r}")
