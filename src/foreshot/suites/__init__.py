"""Suites: the texts that behaviour is judged by."""
