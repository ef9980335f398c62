"""The dashboard of the DRA Toolkit: what a run recorded, in the browser."""
