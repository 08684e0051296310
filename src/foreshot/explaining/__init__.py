"""Explaining: what each word does to a model's decision."""
