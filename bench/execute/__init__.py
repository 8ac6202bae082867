"""Jobs become records on disk.

What cannot be read or written, is damaged or held by another process is a ``BenchError`` everywhere in this room; the
docstrings name other errors.
"""

from pathlib import Path

REPORTS = Path("reports")
"""Where the folders of runs lie, unless something else is said."""
