"""docs/parameters.md: every parameter, whether it is in effect, and the tests that prove it.

    python tools/parameters.py            writes docs/parameters.md anew
    python tools/parameters.py --check    says whether that would change it

A test proves a parameter if it is marked `@pytest.mark.parameter("smtp_helo_name")`; one mark may hold several names, and
one may stand on a single case (`pytest.param(..., marks=pytest.mark.parameter(...))`).  The marks are found in the
sources of the tests, which are parsed and not run.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mailrider.settings import Settings
from mailrider.settings.parameter import Parameter

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "parameters.md"
MARK = "parameter"


class Proof(NamedTuple):
    """A test, by its file (from the root of the project) and name, with the line where it begins."""

    path: str
    test: str
    line: int


def find_proofs(folder: Path = ROOT / "tests") -> dict[str, list[Proof]]:
    """The tests of each name that a mark holds."""
    proofs: dict[str, list[Proof]] = {}
    for path in sorted(folder.rglob("test_*.py")):
        text = path.read_text("utf-8")
        if f"mark.{MARK}(" not in text:
            continue
        for function in _tests_of(ast.parse(text)):
            proof = Proof(path.relative_to(folder.parent).as_posix(), function.name, function.lineno)
            for name in dict.fromkeys(_names_of(function)):
                proofs.setdefault(name, []).append(proof)
    return proofs


def _tests_of(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node


def _names_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """The texts in every `...mark.parameter(...)` among the decorators."""
    for decorator in function.decorator_list:
        for node in ast.walk(decorator):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == MARK:
                for argument in node.args:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        yield argument.value


def render(proofs: dict[str, list[Proof]]) -> str:
    """The page."""
    parameters = list(Settings.declared.values())
    effective = sum(parameter.in_effect for parameter in parameters)
    lines = [
        "# Parameters",
        "",
        f"All {len(parameters)} parameters that Mailrider knows, {effective} of them in effect, with the tests that prove it.",
        "What each one does is said in [settings.md](settings.md). This page is made by `python tools/parameters.py`.",
        "",
        "A parameter that is not in effect is accepted and checked, and whoever sets it is told so, and why, where there is",
        "nothing here that it could act on.",
    ]
    for section in Settings.sections():
        lines += [
            "",
            f"## {section.title[:1].upper()}{section.title[1:]}",
            "",
            "| parameter | in effect | tests |",
            "|---|---|---|",
        ]
        lines += [_row(parameter, proofs) for parameter in section.declared.values()]
    return "\n".join(lines) + "\n"


def _row(parameter: Parameter[object], proofs: dict[str, list[Proof]]) -> str:
    names = [f"SERVICE{parameter.family}"] if parameter.family else list(parameter.names)
    shown = ", ".join(f"`{name}`" for name in names)
    found = dict.fromkeys(proof for name in parameter.names for proof in proofs.get(name, ()))
    tests = ", ".join(f"[{proof.test}](../{proof.path})" for proof in found)
    word = "yes" if parameter.in_effect else f"no: {parameter.moot}" if parameter.moot else "no"
    return f"| {shown} | {word} | {tests} |"


def main() -> int:
    """Write the page, or compare it."""
    page = render(find_proofs())
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.exists() and PAGE.read_text("utf-8") == page else 1
    PAGE.write_text(page, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
