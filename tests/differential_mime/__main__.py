"""The command line of the comparison."""

from __future__ import annotations

import argparse
import sys
import time

from tests.differential_mime.campaign import Campaign
from tests.differential_mime.messages import MessageMaker
from tests.differential_mime.postfix import why_not

SHOWN_DIFFERENCES = 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.differential_mime", description="Compare with a real smtp(8).")
    parser.add_argument("--count", type=int, default=500, help="how many messages")
    parser.add_argument("--seed", type=int, default=0, help="of the first message")
    parser.add_argument("--line-length-limit", type=int, default=512, help="where long lines are cut in the queue file")
    parser.add_argument("--show", action="store_true", help="print each message that makes a difference")
    arguments = parser.parse_args()
    if reason := why_not():
        print(f"cannot run: {reason}", file=sys.stderr)
        return 75
    found = 0
    began = time.monotonic()
    with Campaign(arguments.line_length_limit) as campaign:
        for difference in campaign.run(range(arguments.seed, arguments.seed + arguments.count)):
            found += 1
            if found > SHOWN_DIFFERENCES:
                break
            print(f"seed {difference.seed}, {difference.variant}: {difference.what}")
            print(f"  smtp(8):   {difference.theirs!r}")
            print(f"  Mailrider: {difference.ours!r}")
            if arguments.show:
                print(f"  message: {MessageMaker(difference.seed, arguments.line_length_limit).make()!r}")
    print(f"{arguments.count} messages in {time.monotonic() - began:.0f} s: {found or 'no'} difference{'s' * (found != 1)}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
