"""Protocol files: schema, loading, expansion to cells, runs and cohorts, hashes. Imports no torch."""
