"""A statistically rigorous benchmark harness for experiments with factors, seeds and metrics."""
