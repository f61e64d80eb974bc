"""`python -m benchmarks`, and `python -m benchmarks drain`."""

import sys

if sys.argv[1:2] == ["drain"]:
    from benchmarks.drain import main as drain

    sys.exit(drain(sys.argv[2:]))

from benchmarks.run import main

sys.exit(main())
