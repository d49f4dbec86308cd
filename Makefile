# demo   train one run, combine it and plot it        test      every test but the long ones
# check  format, lint, types, layers                  test-all  the long proofs too
# bench  the benchmarks, against stable-baselines3 and JAX
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
DEMO := results/demo/Pendulum-v1_SAC_SquashedGaussian

.PHONY: demo test test-slurm test-rest test-all check bench

demo: $(VENV)/.run
	$(RUN) main.py --agent-json config/agent/SAC_classic_best_pendulum.json \
	  --env-json config/environment/PendulumContinuous-v1.json --index 0 --save-dir demo
	$(RUN) simple_combine.py $(DEMO)
	$(RUN) utils/plot_mse_data.py $(DEMO)/data.json

# Tests on a cluster mostly wait for it, so they run beside the others.
test: $(VENV)/.dev
	$(MAKE) --no-print-directory --jobs=2 --output-sync=line test-slurm test-rest

test-slurm: $(VENV)/.dev
	$(RUN) -m pytest --durations=10 -m "not slow and slurm"

test-rest: $(VENV)/.dev
	$(RUN) -m pytest -n 2 --dist worksteal --durations=40 -m "not slow and not slurm"

test-all: $(VENV)/.dev
	$(RUN) -m pytest -n 2 --dist worksteal --durations=40 -m "not slurm"
	$(RUN) -m pytest --durations=10 -m slurm

check: $(VENV)/.dev
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache

bench: $(VENV)/.bench
	$(RUN) benchmarks/training_speed.py
	$(RUN) benchmarks/ppo_speed.py
	$(RUN) benchmarks/workers_speed.py
	$(RUN) benchmarks/end_to_end.py
	$(RUN) benchmarks/greedy_speed.py
	$(RUN) benchmarks/linear_speed.py
	$(RUN) benchmarks/gymnasium_speed.py
	$(RUN) benchmarks/sb3_parity.py
	$(RUN) benchmarks/compile_time.py
	$(RUN) benchmarks/gpu_throughput.py
	$(RUN) benchmarks/command_speed.py
	$(RUN) benchmarks/pack_start.py
	$(RUN) benchmarks/combine_speed.py
	$(RUN) benchmarks/scale_speed.py
	$(RUN) benchmarks/search_speed.py
	$(RUN) benchmarks/logging_speed.py
	$(RUN) benchmarks/program_speed.py
	$(RUN) benchmarks/schedule_speed.py

$(VENV)/.run: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "nthrun needs Python 3.11 or newer: make PYTHON=python3.11 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

$(VENV)/.bench: requirements-bench.txt $(VENV)/.run
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	touch $@
