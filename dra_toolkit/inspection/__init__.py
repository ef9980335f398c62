"""Questions asked of recorded groups, and how the terminal shows the answers. No torch."""

from dra_toolkit.inspection.questions import (
    GroupOverview,
    RunOverview,
    StepOverview,
    look_at_group,
    look_at_step,
    summarise,
)

__all__ = ["GroupOverview", "RunOverview", "StepOverview", "look_at_group", "look_at_step", "summarise"]
