"""What the numbers mean: scores with errors, differences by problem, the best step."""
