"""Results: everything that is reported, as one light schema, by subject."""
