"""The functions of the Python API; each imports what it needs when it is called, so that commands start at once."""
