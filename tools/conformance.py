"""Run the conformance scenarios and hold the result against what is expected to pass.

    tools/conformance.py KIT_DIRECTORY [ID_PATTERN ...]

The kit holds scripted servers and recordings of the real Postfix smtp(8).  Its runner needs root (namespaces).  Scenarios
that are not expected to pass yet stand in `tests/conformance-expected.txt` with their reason; a failure that is not
listed there, and a listed one that passes, both make this fail.
"""

from __future__ import annotations

import fnmatch
import json
import os
import pathlib
import subprocess
import sys

PROJECT = pathlib.Path(__file__).resolve().parent.parent
EXPECTED = PROJECT / "tests" / "conformance-expected.txt"
BUILD = PROJECT / "build" / "conformance"
JOBS = 2


def read_expected() -> list[tuple[str, str]]:
    """(id pattern, reason) of each line `PATTERN  reason`."""
    rows = []
    for line in EXPECTED.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            pattern, _, reason = line.partition(" ")
            rows.append((pattern, reason.strip()))
    return rows


def is_good(row: dict[str, object]) -> bool:
    """Whether outcome and transcript are those of the recording."""
    return row["A"] not in ("FAIL", "NONE") and row["B"] not in ("FAIL", "NONE")


def reason_for(row: dict[str, object], expected: list[tuple[str, str]]) -> str | None:
    """Why this scenario is not expected to pass, if so."""
    return next((why for pattern, why in expected if fnmatch.fnmatch(str(row["id"]), pattern)), None)


def run(kit: pathlib.Path, patterns: list[str], jobs: int = JOBS) -> list[dict[str, object]]:
    """Run and compare; one row per scenario."""
    mailrider = PROJECT / ".venv" / "bin" / "mailrider"
    command = [sys.executable, str(kit / "run_mailrider.py"), "-j", str(jobs), "-q", "--cmd", str(mailrider)]
    subprocess.run([*command, "--cwd", str(PROJECT), "--out", str(BUILD), *patterns], check=False)
    rows = BUILD / "rows.json"
    compare = [sys.executable, str(kit / "compare.py"), "--runs", str(BUILD), "--json", str(rows), "-s", *patterns]
    subprocess.run(compare, check=False)
    table: list[dict[str, object]] = json.loads(rows.read_text())
    return table


def main() -> int:
    """Exit status 0 when everything is as expected."""
    kit = pathlib.Path(sys.argv[1]).resolve()
    if not (kit / "run_mailrider.py").exists():
        print(f"conformance: no kit at {kit}; nothing compared", file=sys.stderr)
        return 0
    if os.geteuid() != 0:
        print("conformance: the kit needs root for its namespaces; nothing compared", file=sys.stderr)
        return 0
    expected = read_expected()
    failures = surprises = 0
    rows = run(kit, sys.argv[2:])
    again = [str(row["id"]) for row in rows if not is_good(row) and not reason_for(row, expected)]
    if again:
        # Time limits in the scenarios are real, and a busy machine misses them: what failed is run once more, alone.
        second = {row["id"]: row for row in run(kit, again, jobs=1)}
        rows = [second.get(row["id"], row) for row in rows]
    print()
    for row in rows:
        good, reason = is_good(row), reason_for(row, expected)
        if good and reason is not None:
            surprises += 1
            print(f"{row['id']:44} passes, and is listed as not expected to: take it off the list")
        elif not good and reason is None:
            failures += 1
            print(f"{row['id']:44} FAILS: {row['notes']}")
        elif not good:
            print(f"{row['id']:44} not expected yet: {reason}")
    same_text = sum(row["C"] in ("ok", "skip") for row in rows)
    print(f"\n{len(rows)} scenarios, {failures} unexpected failures, {surprises} unexpected passes, "
          f"reason text equal in {same_text}")
    return 1 if failures or surprises else 0


if __name__ == "__main__":
    sys.exit(main())
