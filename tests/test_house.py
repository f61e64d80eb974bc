"""The house itself: its floors, its rooms' sizes, what it costs to come in, and that nothing unfinished is called done."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import mailrider

ROOT = Path(__file__).parent.parent
SOURCE = Path(mailrider.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))

FILE_LINES_LIMIT = 480
"""About 400 is meant."""

FUNCTION_LINES_LIMIT = 60
"""40 is meant, and 20 is better."""

HEAVY = frozenset({
    "asyncio", "click", "cryptography", "dns", "email", "http", "idna", "logging", "multiprocessing", "OpenSSL", "rich",
    "socket", "sqlite3", "ssl", "uvloop",
})  # fmt: skip
"""What takes its time to import."""


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE.parent))


def list_compiled() -> list[str]:
    """The modules that `MAILRIDER_COMPILE=1` compiles."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    modules: list[str] = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["modules"]
    return modules


def test_nobody_inherits_from_what_is_compiled_but_what_is_compiled() -> None:
    """The interpreter refuses it, and only when the class is made."""
    compiled = {f"mailrider.{module.replace('/', '.')}" for module in list_compiled()}
    heirs = []
    for path in FILES:
        if name_of(path).removeprefix("mailrider/").removesuffix(".py") in list_compiled():
            continue
        tree = ast.parse(path.read_text("utf-8"))
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module in compiled]
        names = {alias.asname or alias.name for node in imports for alias in node.names}
        classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        heirs += [f"{path}: {node.name}" for node in classes for base in node.bases if getattr(base, "id", "") in names]
    assert not heirs


WAITING = (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.Yield, ast.YieldFrom)


@pytest.mark.parametrize("module", list_compiled())
def test_what_is_compiled_waits_for_nothing_in_a_finally(module: str) -> None:
    """mypyc takes whatever exception is being handled around it for one of its own then, and raises it once more."""
    tree = ast.parse((ROOT / "src" / "mailrider" / f"{module}.py").read_text("utf-8"))
    blocks = [block for node in ast.walk(tree) if isinstance(node, ast.Try) for block in node.finalbody]
    assert not [part for block in blocks for part in ast.walk(block) if isinstance(part, WAITING)]


def test_the_floors_hold() -> None:
    """The contracts of pyproject.toml: imports go down, no floor is left out, low floors know no world."""
    command = shutil.which("lint-imports", path=str(Path(sys.executable).parent)) or shutil.which("lint-imports")
    if command is None:
        pytest.skip("import-linter is not installed")
    done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout


def modules_after(code: str) -> set[str]:
    """The packages that are there after some code has run in a fresh interpreter."""
    program = f"import sys\n{code}\nimport json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])} | {
        name for name in json.loads(done.stdout.splitlines()[-1]) if name.startswith("mailrider.")
    }


HELP = """
from mailrider.cli.main import main
try:
    main(["deliver", "--help"])
except SystemExit:
    pass
"""


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import mailrider", set()),
        ("import mailrider.errors, mailrider.events, mailrider.model.request", set()),
        ("import mailrider.settings", set()),
        ("import mailrider.smtp.transaction, mailrider.smtp.handshake", set()),
        ("import mailrider.cli.main", {"click"}),
        (HELP, {"click"}),
        ("import mailrider.api", {"asyncio", "socket", "ssl", "logging"}),
    ],
)
def test_who_comes_in_does_not_pay_for_what_he_does_not_use(code: str, allowed: set[str]) -> None:
    assert modules_after(code) & HEAVY <= allowed


@pytest.mark.parametrize("module", ["queue_run", "sendmail_run"])
def test_a_command_that_only_needs_the_queue_starts_without_the_delivery_core(module: str) -> None:
    assert not {"mailrider.delivery", "mailrider.smtp", "mailrider.net"} & modules_after(f"import mailrider.cli.{module}")


def test_importing_the_package_loads_no_room() -> None:
    assert not {name for name in modules_after("import mailrider") if name.startswith("mailrider.")}


def test_every_module_can_be_imported() -> None:
    for module in pkgutil.walk_packages([str(SOURCE)], "mailrider."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_module_is_a_page_of_a_manual(path: Path) -> None:
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree) is not None, "no docstring"
    assert text.count("\n") <= FILE_LINES_LIMIT, "too long: make two rooms of it"
    for function in functions_of(tree):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        assert lines <= FUNCTION_LINES_LIMIT, f"{function.name} has {lines} lines"


def functions_of(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path) -> set[str]:
    """All that a module may import, at whatever moment."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update((node.module, *(f"{node.module}.{alias.name}" for alias in node.names)))
    return found


def test_no_modules_need_each_other() -> None:
    """Not even for annotations."""
    needs = {module_of(path): imports_of(path) for path in FILES}
    reach = {name: {found for found in imports if found in needs and found != name} for name, imports in needs.items()}
    while True:  # until nobody reaches anything new
        wider = {name: found.union(*(reach[each] for each in found)) for name, found in reach.items()}
        if wider == reach:
            break
        reach = wider
    circles = {frozenset(each for each in reach[name] if name in reach[each]) for name in reach if name in reach[name]}
    assert not [sorted(circle) for circle in circles]


UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK|TBD)\b|not implemented|coming soon|placeholder", re.IGNORECASE)
CATCH_ALL = re.compile(r"(^|_)(utils?|helpers?|common|misc|manager)(\.py|$)")


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_unfinished_is_called_done(path: Path) -> None:
    found = [
        f"{number}: {line.strip()}"
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if UNFINISHED.search(line) and "percent_hack" not in line
    ]
    assert not found


def test_rooms_have_names_that_say_something() -> None:
    assert not [name_of(path) for path in FILES if CATCH_ALL.search(path.name) or CATCH_ALL.search(path.parent.name)]


def test_a_function_that_does_nothing_is_a_protocol_or_says_so() -> None:
    """A body of `...` or `pass` is fine in an interface, and nowhere else."""
    idle = []
    for path in FILES:
        tree = ast.parse(path.read_text("utf-8"))
        interfaces = {
            method
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(base) for base in node.bases)
            for method in node.body
        }
        for function in functions_of(tree):
            body = [statement for statement in function.body if not is_docstring(statement)]
            overload = any("overload" in ast.unparse(decorator) for decorator in function.decorator_list)
            if function in interfaces or overload or ast.get_docstring(function):
                continue
            if all(isinstance(statement, ast.Pass) or ast.unparse(statement) == "..." for statement in body):
                idle.append(f"{name_of(path)}: {function.name}")
    assert not idle


def is_docstring(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)
    )
