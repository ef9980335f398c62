"""Questions asked of recorded groups, and how the terminal shows the answers. No torch.

Questions return plain values, for scripts, the terminal and the dashboard alike; `views` and `list_views` show them.
"""

from dra_toolkit.inspection.overview import RunOverview, StepOverview, look_at_steps, summarise

__all__ = ["RunOverview", "StepOverview", "look_at_steps", "summarise"]
