"""Reading: tables, streams and saved datasets, whatever their format."""
