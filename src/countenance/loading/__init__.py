"""From samples to batches: decoded once, kept as bytes, handed out in a repeatable order."""
