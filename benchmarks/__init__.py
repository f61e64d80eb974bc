"""Benchmarks that anybody can repeat: `python -m benchmarks --help`, run in the project's folder.

What is compared is processor time: user and system time of the client's processes as the kernel counts it
(wait4(2)), because on a machine that other work shares wall-clock time says little.  All programs of a case run
interleaved (A B C A B C ...) in one run, against the same server in a process of its own, and medians are compared, so
that a ratio means more than its two numbers.  Nothing here asserts on time; what is asserted is that all mail arrived.
"""
