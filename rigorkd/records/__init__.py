"""What a finished run leaves on disk: schema, commit, reading into one table. Imports no torch."""
