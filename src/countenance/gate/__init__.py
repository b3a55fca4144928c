"""The gate: a person claims a name, does what is asked before the camera, and is let in or not."""
