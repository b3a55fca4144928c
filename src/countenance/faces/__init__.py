"""Detect faces and align them."""
