# Two commands: `make up` and `make test`. Each installs what it needs.
#
#   make up GPU=H100:4                    simulates GPUs on the embedded cluster
#   make up CONTEXT=kind-dev YES=1        uses the cluster of that kubeconfig context instead of the embedded one
#   make up KUBECONFIG=file YES=1         the same, with the current context of that file
#   make up CONTEXT=… REGISTRY=host/path  where that cluster pulls its images from, if it is not kind or k3d
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

STACK ?= local
UV = $(shell ./scripts/uv)
RUN = $(UV) run --frozen
PLAIN = $(UV) run --frozen --no-default-groups
ROOT = $(filter 0,$(shell id -u))
export UV_PYTHON_DOWNLOADS = never
export UV_COMPILE_BYTECODE = 1
ifdef CONTEXT
export FOOTPLATE_CONTEXT = $(CONTEXT)
endif
ifdef KUBECONFIG
export KUBECONFIG
endif
ifdef REGISTRY
export FOOTPLATE_REGISTRY = $(REGISTRY)
endif
ifdef GPU
export FOOTPLATE_GPU = $(GPU)
endif

.PHONY: help up down test lint format bench
help: ## these lines
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

up: ## a running platform, a workspace and a distributed training job (GPU=H100:4 CONTEXT=… REGISTRY=… YES=1)
	@$(PLAIN) footplate bringup --stack $(STACK) $(if $(YES),--yes)

down: ## removes all that `make up` made; builds stay in the cache
	@$(PLAIN) footplate teardown --yes --stack $(STACK)

lint: ## format, lint, types, layers
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) basedpyright
	@$(RUN) lint-imports

format: ## rewrites the sources as `lint` wants them
	@$(RUN) ruff format .
	@$(RUN) ruff check --fix .

test: lint ## lint and every test; those with real pods need root
	@$(RUN) footplate cluster build --profile $(if $(ROOT),full,api)
	@$(if $(ROOT),$(RUN) footplate images build --builder buildah)
	@$(RUN) pytest -n 2

bench: ## the benchmarks, on a cluster of their own
	@$(RUN) --group bench python -m benchmarks
