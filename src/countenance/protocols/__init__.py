"""Published protocols: they see scores only."""
