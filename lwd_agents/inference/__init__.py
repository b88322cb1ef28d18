"""Inference: what run directories say, under which assumptions, and what they cannot say."""
