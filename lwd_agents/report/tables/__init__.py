"""Tidy tables of runs, and their export."""
