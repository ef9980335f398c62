"""Training through TRL: the only package that imports torch and trl at module level, in the modules that need them."""
