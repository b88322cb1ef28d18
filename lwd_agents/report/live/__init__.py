"""Runs followed while they go on, and the page that shows them on loopback."""
