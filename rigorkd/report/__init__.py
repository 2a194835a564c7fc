"""Results for people. Imports no torch.

sources.py          what is analysed, what is asked of it, and the one way from both to an analysis
compared.py         several of them, under common names; publications.py: all that a publication prints
gather.py, evidence.py   the runs behind an analysis, as typed values
page.py             a page before its format; numbers.py, sentences.py and stars.py say what stands in it
analysis_page.py, compare_page.py, audit_page.py, paper_tables.py   pages for a terminal and for papers
paper_tests.py      what tables for papers say of the tests behind their rows
report_page.py, report_tables.py, report_methods.py   the page that is sent
render/             terminal, Markdown, LaTeX, HTML; emit.py adds JSON and CSV
figures/            figures, and the catalog that knows them
layouts/            tables and figures in the shape of a publication's, as data
wandb_report.py     a W&B Report
"""
