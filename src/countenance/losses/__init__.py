"""Losses, a file for each idea."""
