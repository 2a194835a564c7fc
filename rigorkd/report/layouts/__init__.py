"""Tables and figures in the shape of a publication's, as data.

000.yaml, …          what the tables and figures of a document are made of: one file per publication
layout_spec.py       what such a file may say, and how a layout is found by its name
wanted_cells.py      which cells of a study a layout wants, and which of them are missing
layout_tables.py     from a layout to a table
layout_figures.py    from a layout to a figure
"""
