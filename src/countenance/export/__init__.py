"""Networks as files that other engines run."""
