"""A reader per data set: paths and labels, checked against the published counts."""
