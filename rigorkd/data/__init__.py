"""Data: sources as uint8 arrays, views as batched per-sample operations, the epoch table."""
