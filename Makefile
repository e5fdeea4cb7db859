# Two commands: `make up` and `make test`. Each installs what it needs.
#
#   make up CONTEXT=kind-dev     uses the cluster of that kubeconfig context instead of the embedded one
#   make up KUBECONFIG=file      the same, with the current context of that file
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

STACK ?= local
UV = $(shell ./scripts/uv)
RUN = $(UV) run --frozen
export UV_PYTHON_DOWNLOADS = never
export UV_COMPILE_BYTECODE = 1
ifdef CONTEXT
export FOOTPLATE_CONTEXT = $(CONTEXT)
endif
ifdef KUBECONFIG
export KUBECONFIG
endif

.PHONY: help up down test lint format bench
help: ## these lines
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

up: ## a running platform, a workspace and a distributed training job
	@$(RUN) footplate bringup --stack $(STACK)

down: ## removes all that `make up` made; builds stay in the cache
	@$(RUN) footplate teardown --stack $(STACK)

lint: ## format, lint, types, layers
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) basedpyright
	@$(RUN) lint-imports

format: ## rewrites the sources as `lint` wants them
	@$(RUN) ruff format .
	@$(RUN) ruff check --fix .

test: lint ## lint and every test
	@$(RUN) pytest

bench: ## the benchmarks, on a cluster of their own
	@$(RUN) --group bench python -m benchmarks
