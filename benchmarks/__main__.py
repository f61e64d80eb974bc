"""`python -m benchmarks`, `python -m benchmarks drain` and `python -m benchmarks intake`."""

import sys

if sys.argv[1:2] == ["drain"]:
    from benchmarks.drain import main as drain

    sys.exit(drain(sys.argv[2:]))

if sys.argv[1:2] == ["intake"]:
    from benchmarks.intake import main as intake

    sys.exit(intake(sys.argv[2:]))

from benchmarks.run import main

sys.exit(main())
