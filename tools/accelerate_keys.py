"""Write dra_toolkit/recipe/accelerate_keys.json: what an accelerate configuration file may say.

The table lets such a file be checked in milliseconds, without importing torch. Run it after changing accelerate's pin:

    python tools/accelerate_keys.py
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

TABLE = Path(__file__).resolve().parents[1] / "dra_toolkit" / "recipe" / "accelerate_keys.json"


def document() -> str:
    """Return the table as it is stored."""
    import accelerate
    from accelerate.commands.config.config_args import ClusterConfig
    from accelerate.commands.launch import launch_command_parser
    from accelerate.utils import DistributedType

    options = {action.dest for action in launch_command_parser()._actions}
    deepspeed = {name for name in options if name.startswith(("deepspeed_", "zero", "offload_", "gradient_"))}
    table = {
        "accelerate": accelerate.__version__,
        "config": sorted(field.name for field in dataclasses.fields(ClusterConfig)),
        "deepspeed_config": sorted(deepspeed),
        "fsdp_config": sorted(name for name in options if name.startswith("fsdp_")),
        "distributed_type": sorted(kind.value for kind in DistributedType),
    }
    return json.dumps(table, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    TABLE.write_text(document())
    print(f"wrote {TABLE}")
