"""The file for `--external_plugins`; alone in its folder, which ms-swift puts first where imports are looked for."""

import swift

if not swift.__version__.startswith("4."):
    raise SystemExit(f"DRA is off in ms-swift: found {swift.__version__}, expected 4.x; pip install ms-swift==4.6.0")

from swift.trainers.trainer_factory import TrainerFactory

TrainerFactory.TRAINER_MAPPING["grpo"] = "dra_toolkit.adapters.ms_swift.DRAGRPOTrainer"
