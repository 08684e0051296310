"""Exporting: from a trained classifier to a bundle that is proved to decide as it does."""
