"""The drawn world: procedural heads, three sensors and presentation attacks, with their ground truth."""
