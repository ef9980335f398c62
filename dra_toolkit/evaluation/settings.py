"""How answers are sampled, and by what they are generated: what the user chooses of an evaluation."""

from dataclasses import dataclass

from dra_toolkit.errors import EvaluationError

BACKENDS = ("transformers", "vllm")
DTYPES = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the answers to one benchmark are sampled."""

    n: int
    """Samples of each problem."""
    temperature: float = 0.6
    """0 takes the likeliest token each time."""
    top_p: float = 0.95
    max_new_tokens: int = 32768
    seed: int = 0
    """Seed of the whole; each sample has its own, derived from it."""
    system_prompt: str | None = None
    chat_template: bool = True
    """Whether the prompt is put into the tokenizer's chat template."""

    def __post_init__(self) -> None:
        greedy = f"--temperature 0: the {self.n} samples of a problem would be equal; give --n 1"
        expected = {
            f"--n: found {self.n}, expected 1 or more samples of each problem": self.n >= 1,
            f"--temperature: found {self.temperature}, expected 0 or more": self.temperature >= 0,
            f"--top-p: found {self.top_p}, expected more than 0, at most 1": 0 < self.top_p <= 1,
            f"--max-new-tokens: found {self.max_new_tokens}, expected 1 or more": self.max_new_tokens >= 1,
            greedy: self.temperature != 0 or self.n <= 1,
        }
        if problems := [told for told, is_right in expected.items() if not is_right]:
            raise EvaluationError(*problems)


@dataclass(frozen=True, kw_only=True)
class Engine:
    """By what answers are generated."""

    backend: str = "transformers"
    dtype: str = "auto"
    """auto: float32 on a CPU, else what the checkpoint was saved in."""
    batch_size: int = 0
    """Answers generated at once by transformers; 0 lets it choose."""
    tensor_parallel: int = 1
    """GPUs that share one vLLM engine."""
    gpu_memory_utilization: float = 0.9
    max_model_length: int | None = None
    """Prompt and answer together; None is what the model was made for."""

    def __post_init__(self) -> None:
        for name, value, known in (("--backend", self.backend, BACKENDS), ("--dtype", self.dtype, DTYPES)):
            if value not in known:
                raise EvaluationError(f"{name}: found {value!r}, expected one of {', '.join(known)}")
        if self.tensor_parallel < 1:
            raise EvaluationError(f"--tensor-parallel: found {self.tensor_parallel}, expected 1 or more")
        if self.tensor_parallel > 1 and self.backend != "vllm":
            raise EvaluationError(f"--tensor-parallel {self.tensor_parallel}: only --backend vllm shares a model so")
