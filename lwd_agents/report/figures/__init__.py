"""Figures for papers, and those at the end of a run."""
