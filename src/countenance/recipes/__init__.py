"""Recipes: what is trained on what, how long, and the figure that is expected."""
