"""Compile the hot path: `python tools/compiling.py FOLDER MODULE ...` turns modules of the package under FOLDER into C.

mypyc reads the same annotations that mypy checks, and puts an extension beside each module; the interpreter prefers it.  What
is compiled behaves as what is not, with two exceptions that matter to programs which look behind the curtain: attributes of
its classes cannot be added or replaced from outside, and a value of another type than the annotation says is a `TypeError`.
It needs a C compiler, the headers of Python, and the packages `mypy` and `setuptools`.

`build_hook` calls it where a wheel is built with MAILRIDER_COMPILE=1.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

GROUP = "mailrider_compiled"
"""The extension that holds all of them; calls inside of one extension are calls of C."""

CHECKS = ("--ignore-missing-imports", "--follow-imports=silent")
"""Only types matter here; that they are right is what `make check` says, with every library at hand."""


def compile_modules(folder: Path, modules: list[str]) -> None:
    """Compile `modules` (`smtp/wire`), in place.  Raises `SystemExit` where the compiler fails, after it has said why."""
    from mypyc.build import mypycify
    from setuptools import setup

    os.chdir(folder)
    files = [f"mailrider/{module}.py" for module in modules]
    missing = [file for file in files if not Path(file).is_file()]
    if missing:
        raise SystemExit(f"no such module: {', '.join(missing)}")
    extensions = mypycify([*CHECKS, *files], opt_level="3", debug_level="0", multi_file=True, group_name=GROUP)
    setup(name="mailrider", packages=[], py_modules=[], ext_modules=extensions, script_args=["-q", "build_ext", "--inplace"])


if __name__ == "__main__":
    compile_modules(Path(sys.argv[1]).resolve(), sys.argv[2:])
