"""Augmentation: what is drawn once is applied alike to every sensor and every frame; uint8 in, uint8 out."""
