# 每个目标一行说明；`make help` 由这些注释生成 / `make help` is made from these comments.
PYTHON ?= python3
VENV := .venv
BENCH := .venv-bench
FUZZ := .venv-fuzz
RUN := $(VENV)/bin
QUICK ?=
DATABASE ?=
NODES ?=
SEED ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-postgresql lint chaos chaos-powercut policy-matrix cover-proof storm drain recovery fuzz-api mutants mutants-simulated bench lock clean

help: ## 列出全部目标 / list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/runtime: locks/runtime.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --disable-pip-version-check -r locks/runtime.txt
	$(RUN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/dev: $(VENV)/runtime locks/dev.txt
	$(RUN)/python -m pip install --quiet --disable-pip-version-check -r locks/dev.txt
	@touch $@

demo: $(if $(DATABASE),$(VENV)/dev,$(VENV)/runtime) ## 沙箱、平台、1000 张票、三方账本 / a bureau, the platform, 1,000 invoices, three books (DATABASE=postgresql)
	$(RUN)/kaipiao demo $(if $(DATABASE),--database $(DATABASE))

test: $(VENV)/dev ## 全部测试（10 分钟以内）/ all tests, under 10 minutes
	$(RUN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

test-postgresql: $(VENV)/dev ## 账本测试，自带或指定的 PostgreSQL / the ledger's tests on our own PostgreSQL or on URL=postgresql://… (an empty database; it is EMPTIED)
	@KAIPIAO_TEST_POSTGRESQL='$(URL)' $(RUN)/python -m pytest tests/contract/ledger tests/integration/ledger_postgresql -k postgresql

lint: $(VENV)/dev ## 风格、类型、导入方向、SQL / style, types, direction of imports, SQL
	$(RUN)/ruff check src tests benchmarks docs
	$(RUN)/ruff format --check src tests benchmarks docs
	$(RUN)/mypy
	$(RUN)/lint-imports --no-logo
	$(RUN)/python tests/lint_sql.py

chaos: $(VENV)/dev ## 故障中反复 kill -9，核对三方账本 / kill -9 under faults, three books compared (QUICK=1, SEED=n, DATABASE=postgresql NODES=3)
	$(RUN)/python -m kaipiao_lab.chaos --seed $(SEED) $(if $(QUICK),--quick) $(if $(DATABASE),--database $(DATABASE)) $(if $(NODES),--nodes $(NODES))

chaos-powercut: $(VENV)/dev ## 随机断电：数据库退回到最后一次 fsync / power cuts: the database goes back to its last fsync (QUICK=1, SEED=n)
	$(RUN)/python -m kaipiao_lab.powercut.storm --seed $(SEED) $(if $(QUICK),--quick)

drain: $(VENV)/dev ## 税局不在时开 50,000 张，恢复后按其限速、先到期先传清空 / 50,000 issued while the bureau is away, drained at its limits, oldest deadline first (QUICK=1, SEED=n)
	$(RUN)/python -m kaipiao_lab.drain --seed $(SEED) $(if $(QUICK),--quick)

recovery: $(VENV)/dev ## 税局恢复、平台被杀之后多久恢复正常 / how long until normal service after the bureau's return and after a kill of the platform (QUICK=1, SEED=n)
	$(RUN)/python -m kaipiao_lab.recovery --seed $(SEED) $(if $(QUICK),--quick)

storm: $(VENV)/dev ## 断电、断线、半个应答、时钟跳动与 kill -9 一起来 / power cuts, cut wires, half answers, clock jumps and kill -9 together (QUICK=1, SEED=n)
	$(RUN)/python -m kaipiao_lab.storm.run --seed $(SEED) $(if $(QUICK),--quick)

simulate: $(VENV)/dev ## 确定性模拟：虚拟时间、一万个种子、故障与 kill / a deterministic simulation, 10,000 seeds (QUICK=1, SEEDS=n FROM=n JOBS=n)
	$(RUN)/python -m kaipiao_lab.simulation $(if $(QUICK),--quick) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(FROM),--from $(FROM)) $(if $(JOBS),--jobs $(JOBS))

policy-matrix: $(VENV)/dev ## 有名的错误做法与我们的，同一税局、同样的故障 / named mistakes and ours, the same bureau and faults (QUICK=1, SEED=n)
	$(RUN)/python -m kaipiao_lab.policies.matrix --seed $(SEED) $(if $(QUICK),--quick)

cover-proof: $(VENV)/dev ## 税局断 3 小时、20 小时时的开票速度，各项预算到期时的停止 / speed while the bureau is gone, the stop at every budget's end (QUICK=1, SEED=n)
	$(RUN)/python -m kaipiao_lab.cover.proof --seed $(SEED) $(if $(QUICK),--quick)

$(FUZZ)/ready: locks/fuzz.txt
	$(PYTHON) -m venv $(FUZZ)
	$(FUZZ)/bin/python -m pip install --quiet --disable-pip-version-check -r locks/fuzz.txt
	@touch $@

fuzz-api: $(VENV)/dev $(FUZZ)/ready ## 外部模糊测试对运行中的接口 / an outside fuzzer against the running API (QUICK=1, SEED=n)
	$(RUN)/python tests/fuzz_api.py --seed $(SEED) $(if $(QUICK),--quick)

mutants: $(VENV)/dev ## 已知的错误，每个都被点名的测试抓住 / known mistakes, each caught by a named test
	$(RUN)/python tests/mutants.py

mutants-simulated: $(VENV)/dev ## 够得着的每个已知错误都被模拟发现，可续跑 / each known mistake in its reach is found by the simulation; goes on where it was
	$(RUN)/python tests/mutants_simulated.py

$(BENCH)/ready: locks/bench.txt pyproject.toml
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -r locks/bench.txt
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

bench: $(BENCH)/ready ## 与各部分之和、与常规做法对照 / against its own parts and the conventional way (QUICK=1)
	$(BENCH)/bin/python benchmarks/run.py $(if $(QUICK),--quick)

lock: $(VENV)/dev ## 重新锁定依赖 / lock the dependencies anew
	$(RUN)/python -m pip install --quiet --disable-pip-version-check uv
	$(RUN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml -o locks/runtime.txt
	$(RUN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --extra dev pyproject.toml -o locks/dev.txt
	echo 'schemathesis>=4,<5' | $(RUN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 - -o locks/fuzz.txt
	$(RUN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --extra bench pyproject.toml -o locks/bench.txt

clean: ## 删除虚拟环境与缓存 / remove the environment and caches
	rm -rf $(VENV) $(BENCH) $(FUZZ) .mypy_cache .ruff_cache .pytest_cache .hypothesis
