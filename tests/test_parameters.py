"""docs/parameters.md: what is said to be in effect is proved by a test, and each link leads to one."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from mailrider.settings import Settings

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "parameters.md"

PROVED_IN_OTHER_WAYS = frozenset({"intake", "TLS", "TLS, older names", "TLS engine", "login (SASL)", "stand-alone node"})
"""Sections whose parameters are proved by the conformance scenarios and by the tests of their rooms; marks are welcome."""


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    path = ROOT / "tools" / "parameters.py"
    if not path.exists():
        pytest.skip("the tools are not beside the tests")
    spec = importlib.util.spec_from_file_location("parameters_tool", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_parameter_in_effect_is_proved(tool: ModuleType) -> None:
    proofs = tool.find_proofs()
    unproved = [
        parameter.name
        for parameter in Settings.declared.values()
        if parameter.in_effect
        and parameter.section not in PROVED_IN_OTHER_WAYS
        and not any(proofs.get(name) for name in parameter.names)
    ]
    assert unproved == [], "mark a test of each: @pytest.mark.parameter(NAME)"


def test_marks_name_parameters_that_are_in_effect(tool: ModuleType) -> None:
    for name, proofs in tool.find_proofs().items():
        parameter = Settings.find(name)
        assert parameter is not None, f"{proofs[0]}: {name} is not declared"
        assert parameter.in_effect, f"{proofs[0]}: {name} is not in effect"


def test_the_page_is_up_to_date(tool: ModuleType) -> None:
    if not PAGE.exists():
        pytest.skip("the page is not beside the tests")
    assert PAGE.read_text("utf-8") == tool.render(tool.find_proofs()), "run: python tools/parameters.py"


def test_each_link_leads_to_a_test() -> None:
    if not PAGE.exists():
        pytest.skip("the page is not beside the tests")
    links = re.findall(r"\[(test_\w+)\]\(\.\./([^)]+)\)", PAGE.read_text("utf-8"))
    assert len(links) > 100
    sources: dict[str, str] = {}
    for test, path in links:
        text = sources.setdefault(path, (ROOT / path).read_text("utf-8"))
        assert re.search(rf"^\s*(async )?def {test}\(", text, re.MULTILINE), f"{path} has no {test}"


def test_marks_are_found_wherever_they_stand(tool: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_x.py").write_text(
        "import pytest\n"
        "@pytest.mark.parameter('a', 'b')\n"
        "def test_one(): pass\n"
        "@pytest.mark.parametrize('x', [pytest.param(1, marks=pytest.mark.parameter('c'))])\n"
        "async def test_two(x): pass\n"
        "def test_three(): pytest.mark.parameter('d')\n"
    )
    found = tool.find_proofs(tmp_path / "tests")
    assert {name: [proof.test for proof in proofs] for name, proofs in found.items()} == {
        "a": ["test_one"],
        "b": ["test_one"],
        "c": ["test_two"],
    }
