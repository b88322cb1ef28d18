"""Measures of a network of models: pure functions of arrays."""
