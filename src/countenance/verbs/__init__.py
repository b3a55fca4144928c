"""The verbs of the command line: each calls one library function, and prints.

Libraries are imported inside the verbs, so that ``--help`` answers at once.
"""
