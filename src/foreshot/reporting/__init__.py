"""Reporting: one run's results as a page, as Markdown and as a table in the terminal, all with the same numbers."""
