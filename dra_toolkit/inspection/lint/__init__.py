"""Look for broken groups in anybody's dump: what was sampled together, what it was worth, and what was made of it."""
