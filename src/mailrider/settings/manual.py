"""The reference part of docs/settings.md, made from the declarations.

    python -m mailrider.settings.manual docs/settings.md

writes it anew between its two marks.  What is in effect is not in it: `mailrider config --status` says that of the program
that is installed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from mailrider.errors import BrokenPromise
from mailrider.settings.parameter import Parameter
from mailrider.settings.settings import Settings

BEGIN = "<!-- reference: begin -->\n"
END = "<!-- reference: end -->\n"


def render_reference() -> str:
    """Every parameter by section, as Markdown."""
    return "\n".join(_lines()) + "\n"


def replace_reference(text: str) -> str:
    """`text` with what is between the marks made anew; raises `BrokenPromise` where a mark is missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BrokenPromise("the marks of the reference are missing")
    return f"{before}{BEGIN}\n{render_reference()}\n{END}{after}"


def _lines() -> Iterator[str]:
    for number, section in enumerate(Settings.sections()):
        if number:
            yield ""
        yield f"### {section.title[:1].upper()}{section.title[1:]}"
        yield ""
        for parameter in section.declared.values():
            yield _describe(parameter)


def _describe(parameter: Parameter[Any]) -> str:
    name = parameter.name
    if parameter.family:
        name = f"SERVICE{parameter.family}"
    default = f"`{parameter.default}`" if parameter.default else "found at run time" if parameter.computed else "empty"
    facts = [f"default {default}"]
    if parameter.mirror and parameter.mirror_default != parameter.default.replace("$smtp_", "$lmtp_"):
        facts.append(f"`{parameter.mirror}`: {f'`{parameter.mirror_default}`' if parameter.mirror_default else 'empty'}")
    elif parameter.mirror and parameter.mirror.removeprefix("lmtp_") != name.removeprefix("smtp_"):
        facts.append(f"LMTP: `{parameter.mirror}`")
    facts.append("Mailrider's own" if parameter.ours else f"Postfix {parameter.since}")
    if parameter.obsolete:
        facts.append(f"obsolete: {parameter.obsolete}")
    return f"* `{name}` ({'; '.join(facts)}): {parameter.doc}"


def main() -> None:
    """Rewrite the file that is named."""
    path = sys.argv[1]
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(replace_reference(text))


if __name__ == "__main__":
    main()
