"""The command line as a module, for tests that start it in a process of its own."""

from bench.cli import main

main()
