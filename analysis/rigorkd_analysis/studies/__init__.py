"""Several studies of one question: replication, average over studies, a study against printed numbers."""
