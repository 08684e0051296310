"""Words: which of them a decision stands on, and whether that is what people would say."""
