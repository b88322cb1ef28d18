"""What can be said in closed form before a run: pure functions of arrays."""
