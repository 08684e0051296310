"""Files that are written whole or not at all, locks, and bounded reads: what every part stands on."""
