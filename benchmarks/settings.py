"""Case `settings`: how long a configuration takes to be read, checked and turned into typed values.

The main.cf has 200 logical lines of the kind that configurations grow: limits, lists, tables, references and conditions,
comments and continuations.  Each sample is a fresh interpreter, since a configuration is read once in the life of a process:
*load and check* is from the file to checked settings, *read every value* goes on to read each parameter once for SMTP.  The
import of the package is shown beside them, and `postconf -n` reading the same file, where Postfix is installed.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.measuring import ProgramFailed
from benchmarks.report import Table

LINES = 200
"""Logical lines of the file."""

_HEAD = """\
compatibility_level = 3.6
myhostname = mail.example.com
mydomain = example.com
relayhost = ${relay_by_night?{[night.$mydomain]}:{[relay.$mydomain]}}:submission
relay_by_night = ${{$compatibility_level} >=level {3.6} ? {yes} : {}}
smtp_generic_maps = inline:{ {a@$mydomain = b@example.net}, {c@$mydomain = d@example.net} }
smtp_connection_cache_destinations =
    $relayhost,
    # the others
    example.net, example.org
"""

_CHILD = """
import sys, time
begin = time.perf_counter()
from mailrider.settings import HostFacts, load_settings
from mailrider.settings.settings import Settings
from pathlib import Path
imported = time.perf_counter()
settings = load_settings(Path(sys.argv[1]), host=HostFacts("mail.example.com"))
loaded = time.perf_counter()
for parameter in Settings.declared.values():
    if not parameter.per_service:
        getattr(settings, parameter.attribute)
done = time.perf_counter()
print([imported - begin, loaded - imported, done - loaded])
"""


class Figures(NamedTuple):
    """Medians and the worst, in milliseconds.  `postconf` is None where there is none."""

    importing: float
    loading: float
    worst_loading: float
    every_value: float
    postconf: float | None


def make_main_cf() -> str:
    """The text of the file."""
    from mailrider.settings.settings import Settings

    lines = [_HEAD]
    count = len(re.findall("^[a-z]", _HEAD, re.MULTILINE))
    for parameter in Settings.declared.values():
        name, default = parameter.name, parameter.default
        plain = parameter.listed and not parameter.computed and default and "$" not in default
        if plain and f"\n{name} =" not in "\n" + _HEAD and count < LINES // 2:
            lines.append(f"\n# about {name}\n{name} = {default}\n")
            count += 1
    for number in range(LINES - count):
        table = f"hash:${{config_directory}}/table-{number}"
        lines.append(f"smtpd_class_{number} = reject_unknown, check_access {table},\n    permit\n")
    return "".join(lines)


def measure(repeats: int, folder: Path) -> Figures:
    """Read the same file in fresh interpreters."""
    directory = folder / "configuration"
    directory.mkdir(exist_ok=True)
    (directory / "main.cf").write_text(make_main_cf())
    (directory / "master.cf").write_text("smtp unix - - n - - smtp\nrelay unix - - n - - smtp -o smtp_helo_timeout=5\n")
    samples = [_run_child(directory) for _ in range(repeats)]
    importing, loading, reading = (list(column) for column in zip(*samples, strict=True))
    return Figures(
        statistics.median(importing) * 1e3,
        statistics.median(loading) * 1e3,
        max(loading) * 1e3,
        statistics.median(reading) * 1e3,
        _time_postconf(directory, repeats),
    )


def _run_child(directory: Path) -> tuple[float, float, float]:
    done = subprocess.run([sys.executable, "-c", _CHILD, str(directory)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProgramFailed(done.stderr.strip().splitlines()[-1])
    importing, loading, reading = json.loads(done.stdout)
    return importing, loading, reading


def _time_postconf(directory: Path, repeats: int) -> float | None:
    program = shutil.which("postconf") or shutil.which("postconf", path="/usr/sbin")
    if program is None:
        return None
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        subprocess.run([program, "-c", str(directory), "-n"], capture_output=True, check=False)
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e3


def tabulate(figures: Figures, repeats: int) -> Table:
    """Milliseconds."""
    rows = [
        ("load and check", f"{figures.loading:.1f}", f"{figures.worst_loading:.1f}"),
        ("read every value", f"{figures.every_value:.1f}", ""),
        ("import mailrider.settings", f"{figures.importing:.1f}", ""),
    ]
    if figures.postconf is not None:
        rows.append(("postconf -n, the whole process", f"{figures.postconf:.1f}", ""))
    return Table(f"settings: a main.cf of {LINES} lines, median of {repeats}", ("step", "ms", "worst"), rows)
