"""Declared claims and runs -> verdicts on the claims."""
