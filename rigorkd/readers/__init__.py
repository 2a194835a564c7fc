"""Results that others made, in any form: read, and turned into the tidy table that the analysis judges."""
