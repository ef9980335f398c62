"""Replay: the advantages that other settings would have given, from what was recorded, without a GPU."""
