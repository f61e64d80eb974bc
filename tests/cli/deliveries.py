"""Words for the command line and the batch files of `mailrider deliver`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def to(nexthop: str, *recipients: str, sender: str = "a@example.test") -> list[str]:
    options = ["--nexthop", nexthop, "--sender", sender]
    for recipient in recipients or ("b@example.test",):
        options += ["--recipient", recipient]
    return options


def write_batch(tmp_path: Path, *requests: dict[str, Any], mode: str = "sequential") -> str:
    path = tmp_path / "batch.json"
    path.write_text(json.dumps({"mode": mode, "requests": requests}))
    return str(path)


def request_to(nexthop: str, message: str, *recipients: str, **more: Any) -> dict[str, Any]:
    return {
        "nexthop": nexthop, "sender": "a@example.test", "recipients": list(recipients or ("b@example.test",)),
        "message_file": message, **more,
    }  # fmt: skip
