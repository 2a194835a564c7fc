"""Training: the cohort loop, one student's state, evaluation, latency."""
