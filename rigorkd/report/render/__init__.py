"""Renderers: a page in, a text out. Each one escapes by construction what its format would take for more than
text, and drops characters that steer a screen; there is no other way from a page to a text.

terminal.py, markdown.py, latex.py, html.py (with templates/)
"""
