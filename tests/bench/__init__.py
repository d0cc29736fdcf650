"""Measurements, not tests: nothing here gates on a time."""
