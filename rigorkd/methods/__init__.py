"""Distillation methods, one file each: parameters and loss."""
