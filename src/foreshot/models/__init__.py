"""Encoders, their layers, and the students made from them."""
