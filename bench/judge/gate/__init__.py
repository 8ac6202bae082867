"""A run and a baseline -> what changed, and whether that is an alarm."""
