"""The page that collaborators open: one HTML file, nothing loaded from anywhere.

page.py        the order of the sections, and the rendering
view.py        a page as data: sections, tables, charts, values that know where they come from
answer.py      what comes first: the question, what holds, what must not be read into it
families.py    tables of comparisons: gains, contrasts, power, all statistics
settings.py    what belongs to cells: T × alpha, candidates, means, costs, every seed
study.py       plan, methods, provenance, how to reproduce
templates/     the HTML, the style sheet, the sorting of tables
"""
