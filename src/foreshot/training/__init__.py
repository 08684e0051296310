"""One training loop, its losses, and the teacher's outputs that students learn from."""
