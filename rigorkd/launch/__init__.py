"""What is missing, what it costs, and the workers that train it. Imports no torch outside the worker."""
