"""What is evaluated: the checkpoints of a run, a model, its revisions; whether their folders hold what it takes."""
