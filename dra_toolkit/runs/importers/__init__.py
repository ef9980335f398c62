"""Rollouts of other trainers as runs: one module for each format, `formats` to choose, `importing` to do it."""
