"""The adjustment in other people's trainers: one core, free of any engine, and a thin adapter for each engine.

An engine is used as it is: an adapter stands at a seam that the engine offers, hands the rows that arrive there to the core,
and gives back adjusted rewards or advantages in the engine's own definition.
"""
