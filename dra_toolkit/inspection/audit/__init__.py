"""Does an embedder see what it is meant to see? `samples`, `files` read labelled groups, `measures` judges, `view` shows."""
