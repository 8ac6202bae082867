"""Published figures -> which of them contradict each other."""
