"""The process that evaluates a checkpoint: the only place where lighteval, torch and the engines are imported."""
