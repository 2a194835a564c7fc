"""The methods, one file each: arithmetic on arrays, and the typed numbers that it gives."""
