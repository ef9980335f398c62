"""The file for `--external_plugins`; alone in its folder, which ms-swift puts first where imports are looked for."""

from swift.trainers.trainer_factory import TrainerFactory

TrainerFactory.TRAINER_MAPPING["grpo"] = "dra_toolkit.adapters.ms_swift.DRAGRPOTrainer"
