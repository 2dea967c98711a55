# Takt. `make demo` and `make test` need Python 3.11 to 3.13 and make; they do all the set-up themselves.
.POSIX:
.SUFFIXES:
.PHONY: help set-up demo test test-all test-pythons lint soak trust protocol bench-clearing bench-peers bench-engines browser histories lock clean

RUN = .venv/bin/python -m
SEED = 1

help:
	@echo 'make demo      set-up, then a week of orders in the embedded market: summary and report in runs/'
	@echo 'make test      set-up, then checks and tests (the slow ones apart)'
	@echo 'make test-all  all tests'
	@echo 'make test-pythons  outcomes on every Python 3.11 to 3.13 of this machine, bit for bit'
	@echo 'make lint      style, types and layers only'
	@echo 'make soak      the demo again and again with new seeds: make soak ROUNDS=20'
	@echo 'make histories  random markets with every disruption and fault: make histories SEEDS=10000 FIRST=0'
	@echo 'make trust     run the tests and figures of the ten promises, write docs/promises.md anew (ten minutes)'
	@echo 'make protocol  write docs/protocol/ and the generated parts of docs/protocol.md anew'
	@echo 'make bench-clearing  write docs/benchmarks/clearing.md anew (ten minutes); BENCH=--full: every instance'
	@echo 'make bench-peers     get CP-SAT and SCIP for it, in an environment of their own'
	@echo 'make bench-engines   get Mesa, auctionsi and SCML in an environment of their own, run them beside Takt'
	@echo 'make browser   get Chromium for the browser tests (root on Debian)'
	@echo 'make lock      compile requirements.lock anew'
	@echo 'make clean     remove the environment; runs/ stays'

.venv/.made: requirements.lock pyproject.toml sdk/pyproject.toml setup/environment.py setup/debian.py
	@python=$$(sh setup/python.sh) && "$$python" -m setup.environment
	@touch $@

.venv/.nats: .venv/.made setup/nats_server.py
	@$(RUN) setup.nats_server
	@touch $@

# The local search is compiled once, here and not in somebody's first clearing. Numba renews what it kept of a
# module when that module changes, not when one that it calls does: all of it is thrown away.
COMPILED = market/clearing/compiled.py market/clearing/warm_up.py \
	market/clearing/bounds/max_marginals.py market/clearing/bounds/tree_messages.py market/clearing/bounds/block_pricing.py \
	market/clearing/local_search/moves.py market/clearing/local_search/group_moves.py \
	market/clearing/local_search/anneal_moves.py market/clearing/local_search/ejection_pool.py \
	market/clearing/stable_sets/cliques.py market/clearing/stable_sets/covered.py \
	market/clearing/stable_sets/stable_set.py market/clearing/stable_sets/stable_tabu.py

.venv/.compiled: .venv/.nats $(COMPILED)
	@echo '[set-up] compiling the local search'
	@find market/clearing -name '*.nb[ic]' -exec rm -f {} +
	@$(RUN) market.clearing.warm_up
	@touch $@

set-up: .venv/.compiled

demo: set-up
	.venv/bin/takt run scenarios/library/european-job-shops --seed $(SEED) --transport nats

# Files side by side on two cores: many tests wait for processes that they started.
PYTEST = pytest -n 2 --dist loadfile

test: lint
	$(RUN) $(PYTEST)

test-all: lint
	$(RUN) $(PYTEST) -m 'slow or not slow'

# Every other Python of this machine that Takt runs on must come to the same outcomes, bit for bit.
test-pythons: set-up
	@for version in 3.11 3.12 3.13; do \
	    command -v "python$$version" > /dev/null && "python$$version" -c '' 2> /dev/null || continue; \
	    echo "[set-up] an environment for Python $$version"; \
	    "python$$version" -m venv .venv-pythons/$$version || exit 1; \
	    .venv-pythons/$$version/bin/python -m pip install --quiet --require-hashes -r requirements.lock || exit 1; \
	done
	TAKT_PYTHONS="$$PWD/.venv-pythons" $(RUN) pytest -m 'slow or not slow' -rs \
	    tests/simulation/test_process_independence.py

lint: set-up
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo

ROUNDS = 10
soak: set-up
	@round=1; while [ $$round -le $(ROUNDS) ]; do \
	    .venv/bin/takt run scenarios/library/european-job-shops --seed $$round --transport nats \
	        --out runs/soak-$$round || exit 1; \
	    round=$$((round + 1)); \
	done

SEEDS = 10000
FIRST = 0
histories: set-up
	$(RUN) tests.simulation.histories --first $(FIRST) --count $(SEEDS)

trust: set-up
	$(RUN) tests.trust.page --date "$$(date -u +%F)"

protocol: set-up
	@$(RUN) market.protocol

BENCH = --quick
bench-clearing: set-up
	$(RUN) benchmarks.clearing.bench --anew --date "$$(date -u +%F)" $(BENCH)

bench-peers: set-up
	$(RUN) venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet -r benchmarks/clearing/peers.txt

bench-engines: set-up
	$(RUN) venv .venv-agents
	.venv-agents/bin/python -m pip install --quiet -r benchmarks/research/engines.txt
	$(RUN) benchmarks.research.bench_engines

browser: set-up
	@$(RUN) setup.browser

lock: set-up
	$(RUN) pip install --quiet uv
	$(RUN) uv pip compile requirements.in pyproject.toml --extra test --universal --python-version 3.11 \
	    --fork-strategy fewest --no-emit-package takt-sdk --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	    --no-annotate --quiet --output-file requirements.lock

clean:
	rm -rf .venv .venv-peers .venv-agents .venv-pythons build dist
