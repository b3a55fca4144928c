"""Attacks on recognisers: pictures that are crafted against a network; they know no data set."""
