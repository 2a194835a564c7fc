"""The statistics of rigorkd: a tidy table in, verdicts out."""
