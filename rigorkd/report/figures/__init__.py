"""Figures of a study, as SVG for the page and as SVG and PDF for papers.

catalog.py      which figures a study has, and where on the page they belong
spec.py         a figure as data: panels to draw, the meaning of its marks, a text alternative
style.py        colours, marks, sizes
canvas.py       from a figure to bytes; the only file that knows matplotlib's backends
forest.py, pairs.py, curves.py, candidates.py, tradeoff.py, convergence.py, softness.py, overall.py
                one kind of figure each: pure functions of the evidence
"""
