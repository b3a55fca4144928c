"""Benchmarks: ours and its peer, interleaved in one run."""
