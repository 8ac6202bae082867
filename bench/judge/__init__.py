"""Tidy frames become result frames and verdicts."""
