"""Reporting: one run's results as a page, as Markdown and in the terminal, all with the same numbers."""
