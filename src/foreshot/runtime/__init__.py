"""A deployed model: its bundle, its scores and its decisions, without PyTorch."""
