"""Replay: the advantages that other settings would have given, from what was recorded, without a GPU.

`settings` reads what is to change, `tables` the recorded numbers as `pieces`, `compute` recomputes, `differences` compares;
`run` does all of it for a run and `records` for groups in memory.
"""
