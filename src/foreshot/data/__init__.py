"""From files to three parts of rows: reading, labels, the split, and the built-in corpus."""
