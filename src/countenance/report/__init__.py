"""Cards, plots and the page that an auditor reads."""
