"""What will be run: TOML text becomes a suite, its cells and its jobs."""
