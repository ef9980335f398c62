"""What was evaluated, as a table, as texts for a paper, and as curves. `gather` collects, the others show."""
