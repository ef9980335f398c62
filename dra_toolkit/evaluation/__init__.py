"""Evaluate checkpoints on benchmarks, keep every sample, and compare them with honest error bars."""
