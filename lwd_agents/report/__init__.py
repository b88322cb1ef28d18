"""Figures and pages, drawn from run directories only."""
