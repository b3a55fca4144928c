"""Error counts, rates, intervals and operating points: what an auditor reads; NumPy and SciPy only."""
