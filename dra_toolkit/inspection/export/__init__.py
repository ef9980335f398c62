"""Recorded groups in formats of other tools: `exporting` writes one whole or not at all."""
