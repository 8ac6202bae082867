"""Jobs become records on disk."""

from pathlib import Path

REPORTS = Path("reports")
"""Where the folders of runs lie, unless something else is said."""
