"""`python -m benchmarks`, and with a word `drain`, `intake`, `full` or `slow`; `--plain` measures what is not compiled."""

import sys

from benchmarks.compiled import PLAIN, use_compiled

if PLAIN in sys.argv:
    sys.argv.remove(PLAIN)
elif "floors" not in sys.argv:  # its sampler cannot look into what is compiled
    use_compiled()

if sys.argv[1:2] == ["drain"]:
    from benchmarks.drain import main as drain

    sys.exit(drain(sys.argv[2:]))

if sys.argv[1:2] == ["intake"]:
    from benchmarks.intake import main as intake

    sys.exit(intake(sys.argv[2:]))

if sys.argv[1:2] == ["full"]:
    from benchmarks.full import main as full

    sys.exit(full(sys.argv[2:]))

if sys.argv[1:2] == ["slow"]:
    from benchmarks.slow import main as slow

    sys.exit(slow(sys.argv[2:]))

from benchmarks.run import main

sys.exit(main())
