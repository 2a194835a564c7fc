"""What a finished run leaves on disk: schema, atomic writing, reading into one table. Imports no torch."""
