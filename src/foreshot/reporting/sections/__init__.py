"""Sections: one module a section of the report, in plain values that every renderer takes."""
