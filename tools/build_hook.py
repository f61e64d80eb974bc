"""Part of building a wheel: with MAILRIDER_COMPILE=1 in the environment the hot path is compiled (`compiling`).

Without it, and for an editable installation, the wheel is Python alone.  Which modules are compiled stands in pyproject.toml.
Asked for and not possible, it fails: nobody should believe that something is compiled that is not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileHook(BuildHookInterface):  # type: ignore[type-arg]
    """See above."""

    PLUGIN_NAME = "custom"

    @property
    def _is_wanted(self) -> bool:
        return os.environ.get("MAILRIDER_COMPILE", "") not in ("", "0")

    def dependencies(self) -> list[str]:
        """What has to be there to compile."""
        return ["mypy>=1.18", "setuptools>=77"] if self._is_wanted else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile a copy of the package and put the extensions into the wheel."""
        if version == "editable" or not self._is_wanted:
            return
        self._folder = Path(tempfile.mkdtemp(prefix="mailrider-compile-"))
        source = Path(self.root, "src", "mailrider")
        shutil.copytree(source, self._folder / "mailrider", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        compiler = Path(self.root, "tools", "compiling.py")
        subprocess.run([sys.executable, str(compiler), str(self._folder), *self.config["modules"]], check=True)
        for extension in [*self._folder.glob("*.so"), *self._folder.glob("mailrider/**/*.so")]:
            build_data["force_include"][str(extension)] = str(extension.relative_to(self._folder))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """The copy has served."""
        if folder := getattr(self, "_folder", None):
            shutil.rmtree(folder)
