"""Rendering results for people: terminal tables, Markdown, LaTeX, CSV, JSON. Imports no torch."""
