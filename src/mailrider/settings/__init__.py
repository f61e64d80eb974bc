"""What the operator said: main.cf text becomes typed, frozen settings."""

from __future__ import annotations

from mailrider.settings.loading import choose_directory, load_settings
from mailrider.settings.settings import Settings
from mailrider.settings.texts import HostFacts

__all__ = ["HostFacts", "Settings", "choose_directory", "load_settings"]
