"""The commands: each finds out what is wanted, has the whole built by `wiring`, and turns what came of it into an exit code."""
