"""Checking: one model judged by itself on a suite."""
