"""`python -m mailrider`."""

from mailrider.cli.main import main

main()
