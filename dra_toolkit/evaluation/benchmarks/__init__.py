"""What is asked: benchmarks by name or from a file, and their problems in one form."""
