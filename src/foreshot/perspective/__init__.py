"""Perspective: its API answered by our models, and its stored scores. Nothing else needs this folder."""
