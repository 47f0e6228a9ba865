"""``python -m perch`` is the ``perch`` command."""

from perch.cli import main

main()
