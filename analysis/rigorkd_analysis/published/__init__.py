"""What a published table, as printed, supports."""
