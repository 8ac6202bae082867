"""Arrays and frames become numbers; knows nothing of suites, runs or reports."""
