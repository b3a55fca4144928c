"""Drawn sets: the world of `synthesis`, written in the layout and the lists of a published set."""
