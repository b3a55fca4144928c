"""A file per architecture, each with the record of its released weights."""
