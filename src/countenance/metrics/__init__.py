"""Error counts, rates, intervals and operating points: the arithmetic an auditor reads; it needs NumPy and SciPy only."""
