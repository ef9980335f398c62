"""Recorded groups in formats of other tools."""
