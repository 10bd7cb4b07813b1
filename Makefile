# The verbs of this repository. Each installs what it lacks, does nothing twice, and is quiet when all is well.
# Everything lands in .cache/ and bin/; `make clean` removes both. `make help` lists the verbs.

SHELL         := bash
.SHELLFLAGS   := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS     += --no-print-directory --no-builtin-rules
.DELETE_ON_ERROR:

ROOT    := $(CURDIR)
CACHE   := $(ROOT)/.cache
BIN     := $(CACHE)/bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# The modules are those of go.work; a test checks that these are all there are.
MODULES := $(shell sed -n 's,^[[:space:]]*\./,,p' go.work)

# Tools which the verbs install come first. A clone that belongs to another user has no readable git state, which would
# fail every build: the version comes from the line above instead.
export PATH    := $(BIN):$(PATH)
export GOFLAGS := $(strip $(filter-out -buildvcs=%,$(GOFLAGS)) -buildvcs=false)
export GOLANGCI_LINT_CACHE ?= $(CACHE)/golangci-lint

.PHONY: help
help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "  %-16s %s\n", $$1, $$2 }' Makefile

## ---- setting up ----------------------------------------------------------------------------------------------------

.PHONY: go
go:
	@command -v go >/dev/null || { echo "Go is missing: install Go 1.26 or later from https://go.dev/dl/ and try again." >&2; exit 1; }

.PHONY: setup
setup: setup-engine setup-test setup-lint setup-kafka data ## Install everything that any verb needs

.PHONY: setup-engine
setup-engine: ## Install the ClickHouse engine library into .cache/chdb
	@command -v clickhouse >/dev/null || tools/npm-install embedded/chdb $(CACHE)/chdb

.PHONY: setup-test
setup-test: go setup-engine data ## Install what the tests drive: SDKs, headless Chromium, kcat, curl
	@tools/ensure "kcat=kcat" "curl=curl" "chromium|chromium-browser|google-chrome=chromium" "node=nodejs"
	@tools/ensure-node $(BIN)
	@tools/npm-install cmd/parcours/e2e/sdk $(CACHE)/sdk
	@tools/npm-install tools/agents $(CACHE)/agents
	@go list -e -deps -test work >/dev/null

# What is there is not fetched again. Without a network the tests that need it say so and are skipped.
.PHONY: data
data: build ## Install the small reference data into .cache/reference
	@tools/ensure npm=npm
	@out=$$(bin/parcours data install --dir $(CACHE)/reference) || echo "$$out" >&2

.PHONY: setup-lint
setup-lint: $(BIN)/golangci-lint

# One build of the linter, pinned in a module of its own so that its needs do not raise the versions of the product.
$(BIN)/golangci-lint: tools/go.mod | go
	@mkdir -p $(@D)
	@echo "building golangci-lint ..." >&2
	@cd tools && GOWORK=off go build -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@

$(BIN)/benchstat: tools/go.mod | go
	@mkdir -p $(@D)
	@cd tools && GOWORK=off go build -o $@ golang.org/x/perf/cmd/benchstat
	@touch $@

.PHONY: setup-kafka
setup-kafka: ## Fetch the jars of Apache Kafka into .cache/kafka
	@tools/kafka/fetch $(CACHE)/kafka

## ---- building and running ------------------------------------------------------------------------------------------

# cgo stays off: the engine library is called without it, and one binary then runs wherever its libc is.
.PHONY: build
build: go ## Build bin/parcours
	@mkdir -p bin
	@CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/parcours ./cmd/parcours

.PHONY: run
run: setup-engine build ## Run the whole pipeline on this machine
	@bin/parcours up

# Files whose publishers give them away and that no package carries: `parcours data list` says where they are.
DATA ?= ../shared/data

.PHONY: demo
demo: setup-engine data ## Simulate a week of a retailer and print the analysts' tables; DATA is a folder with INSEE's files
	@bin/parcours demo --reference $(CACHE)/reference $(if $(wildcard $(DATA)/.),--reference $(DATA))

## ---- checking ------------------------------------------------------------------------------------------------------

.PHONY: check
check: go setup-lint check-format check-tidy check-generate check-vet $(MODULES:%=alone/%) $(MODULES:%=lint/%) ## Check format, tidiness, generated files, vet and lint: exactly what CI checks

.PHONY: check-format
check-format: setup-lint
	@for module in $(MODULES); do (cd $$module && golangci-lint fmt --diff ./... ) || { echo "the lines above are not formatted: run 'make format'." >&2; exit 1; }; done

.PHONY: check-tidy
check-tidy: go $(MODULES:%=tidy-diff/%)
	@tools/unchanged "the modules of go.work disagree: run 'make tidy'." go work sync

.PHONY: check-generate
check-generate: go
	@tools/unchanged "generated files are out of date: run 'make generate'." go generate work

.PHONY: check-vet
check-vet: go
	@go vet work

.PHONY: format
format: setup-lint ## Format the Go code
	@for module in $(MODULES); do (cd $$module && golangci-lint fmt ./... ); done

.PHONY: generate
generate: go ## Write the generated files anew
	@go generate work

# The modules of tools/ only build the tools: tidying them would fetch what their own tests need.
.PHONY: tidy
tidy: go ## Make go.work, go.mod and go.sum agree
	@go work sync
	@for module in $(MODULES); do (cd $$module && GOWORK=off go mod tidy); done

# One rule for each module: lint/internal, test/services/sink, tidy-diff/schemas, alone/cmd/parcours (which builds without
# the workspace, as whoever requires the module does) ...
define module-rules
.PHONY: lint/$(1) test/$(1) tidy-diff/$(1) alone/$(1)
alone/$(1): go
	@cd $(1) && GOWORK=off go build ./...
lint/$(1): setup-lint
	@cd $(1) && golangci-lint run --allow-parallel-runners ./...
test/$(1): setup-test
	@cd $(1) && go test $$(TESTFLAGS) ./...
tidy-diff/$(1): go
	@cd $(1) && GOWORK=off go mod tidy -diff || { echo "$(1)/go.mod or go.sum is not tidy: run 'make tidy'." >&2; exit 1; }
endef
$(foreach module,$(MODULES),$(eval $(call module-rules,$(module))))

## ---- testing -------------------------------------------------------------------------------------------------------

# go test's own lines are the report, here and in CI, and after them the backends that the tests ran on. TESTFLAGS=-v
# shows each test with its backend.
TESTFLAGS ?= -timeout 20m
REPORT    := $(CACHE)/backends
report     = mkdir -p $(CACHE); rm -f $(REPORT); \
  trap 'if [[ -f $(REPORT) ]]; then echo "backends used (times):"; sort $(REPORT) | uniq -c; fi' EXIT
export PARCOURS_TEST_REPORT = $(REPORT)

.PHONY: test
test: setup-test ## Run every test: unit, property, golden end to end, embedded engine, stock SDKs
	@$(report); go test $(TESTFLAGS) work

.PHONY: test-race
test-race: setup-test ## Run the short tests under the race detector
	@tools/ensure "gcc|cc=gcc"
	@$(report); CGO_ENABLED=1 go test $(TESTFLAGS) -race -short work

.PHONY: mutations
mutations: setup-test ## Break each safeguard of exactly-once, and want a test to notice (some twenty minutes)
	@cd services/sink && PARCOURS_MUTATIONS=1 go test -count=1 -timeout 60m -v -run '^TestMutations$$' .

FUZZTIME ?= 20s
.PHONY: fuzz
fuzz: go ## Run every fuzz target for FUZZTIME (20s)
	@tools/fuzz $(FUZZTIME)

.PHONY: bench
bench: setup-engine $(BIN)/benchstat ## Run the benchmarks of bench/
	@cd bench && go test -run '^$$' -bench . -benchmem ./...

.PHONY: bench-warehouse
bench-warehouse: setup-engine ## Ask EVENTS (ten million) simulated events the twelve questions, and for their customers of now
	@cd bench && PARCOURS_BENCH_EVENTS=$(or $(EVENTS),10000000) go test -v -run '^$$' -bench '^BenchmarkWarehouse(Questions)?$$' -benchtime 3x -timeout 2h .

# The stream processor that the sink is compared with has a module of its own: its versions are not the product's.
$(BIN)/rivals: bench/rivals/go.mod bench/rivals/main.go | go
	@mkdir -p $(@D)
	@cd bench/rivals && GOWORK=off go build -o $@ .
	@touch $@

.PHONY: bench-sink
bench-sink: setup-engine $(BIN)/rivals ## Measure the sink against ready blocks, a plain loop and a stream processor, and its memory (some minutes)
	@cd bench && PARCOURS_BENCH_CONNECT=$(BIN)/rivals go test -v -run '^$$' -bench '^BenchmarkSink$$' -benchtime 2x -timeout 30m .
	@cd bench && go test -v -run '^$$' -bench '^BenchmarkSinkMemory$$' -benchtime 1x -timeout 30m .

.PHONY: bench-layouts
bench-layouts: setup-engine ## Ask EVENTS (two million) simulated events the twelve questions, sorted by each of two keys
	@cd bench && PARCOURS_BENCH_EVENTS=$(or $(EVENTS),2000000) go test -v -run '^$$' -bench '^BenchmarkWarehouseLayouts$$' -benchtime 1x -timeout 2h .

.PHONY: bench-identity
bench-identity: go ## Measure the customers found against who is really who, rule by rule (some minutes)
	@cd bench && go test -run '^$$' -bench '^BenchmarkIdentityQuality$$' -benchtime 1x -timeout 30m .

.PHONY: kafka
kafka: go setup-kafka ## Run one real Apache Kafka on 127.0.0.1:9092, in the foreground
	@mkdir -p $(BIN) && cd embedded && go build -o $(BIN)/kafka-node ./kafkanode/cmd/kafka-node
	@exec $(BIN)/kafka-node --jars $(CACHE)/kafka/jars --data $(CACHE)/kafka/data --listen 127.0.0.1:9092 --pid-file $(CACHE)/kafka/pid

.PHONY: kafka-stop
kafka-stop: ## Stop what `make kafka` runs
	@if [[ -f $(CACHE)/kafka/pid ]]; then kill "$$(cat $(CACHE)/kafka/pid)" 2>/dev/null || rm -f $(CACHE)/kafka/pid; fi

.PHONY: test-kafka
test-kafka: setup-test setup-kafka ## Run the end-to-end tests on a real Apache Kafka
	@$(report); PARCOURS_TEST_KAFKA=process PARCOURS_REQUIRE_KAFKA=1 go test -count=1 $(TESTFLAGS) \
	  ./embedded/backend/... ./embedded/kafkanode/... ./cmd/parcours/e2e/...

.PHONY: test-keeper
test-keeper: setup-engine ## Make the replicated tables of a cluster in a real Apache ZooKeeper
	@tools/ensure java=default-jre-headless /usr/share/zookeeper/bin/zkServer.sh=zookeeper
	@$(report); cd services/sink && PARCOURS_REQUIRE_KEEPER=1 go test -count=1 $(TESTFLAGS) -run '^TestClusterTablesAreMadeInKeeper$$' .

## ---- containers ----------------------------------------------------------------------------------------------------

COMPOSE := tools/compose/compose

.PHONY: up
up: docker compose-secrets ## Run the pipeline on Kafka and ClickHouse in containers
	@VERSION=$(VERSION) $(COMPOSE) up --build --detach --wait

.PHONY: down
down: docker ## Stop the containers; their volumes stay
	@$(COMPOSE) down

.PHONY: image
image: docker ## Build the container image
	@docker build --build-arg VERSION=$(VERSION) --tag parcours:$(VERSION) --tag parcours:latest .

.PHONY: compose-check
compose-check: go compose-secrets ## Check docker-compose.yml with the compose tool, which needs no Docker daemon
	@$(COMPOSE) config --quiet

.PHONY: docker
docker:
	@docker info >/dev/null 2>&1 || { echo "No Docker daemon answers: start Docker, or use 'make run', which needs none." >&2; exit 1; }

.PHONY: compose-secrets
compose-secrets:
	@deploy/compose/secrets

.PHONY: clean
clean: ## Remove what was built, fetched and cached
	@if [[ -d .cache ]]; then chmod -R u+w .cache; fi
	@rm -rf .cache bin
