"""Jobs become records on disk."""
