"""Distillation losses, one file per method."""
