# pets: `make check` is the one gate, `make` lists the rest.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GOFUMPT_VERSION  := v0.12.0
GOLANGCI_VERSION := v2.15.0

# What `pets version` says: the tag, the commit, and whether the tree differs.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

# Tools are looked for in ./bin/tools, then in PATH, then where `go install`
# puts them by default.
TOOLS   := $(CURDIR)/bin/tools
GOPATH1 := $(firstword $(subst :, ,$(shell go env GOPATH)))
find     = $(firstword $(wildcard $(TOOLS)/$(1)) $(shell command -v $(1) 2>/dev/null) $(wildcard $(GOPATH1)/bin/$(1)))
GOFUMPT  = $(call find,gofumpt)
GOLANGCI = $(call find,golangci-lint)

# One shell word per tool: is the pinned version there?
have_gofumpt  = [[ -n "$(GOFUMPT)" && "$$("$(GOFUMPT)" --version)" == "$(GOFUMPT_VERSION) "* ]]
have_golangci = [[ -n "$(GOLANGCI)" && "v$$("$(GOLANGCI)" version --short)" == "$(GOLANGCI_VERSION)" ]]

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Static, and with a runtime that erases what secrets leave in registers, stack and heap
# (docs/custody.md, "Memory"); calls into C do not survive that.
.PHONY: build
build: ## Build bin/pets with its version
	CGO_ENABLED=0 GOEXPERIMENT=runtimesecret go build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/pets ./cmd/pets

# What takes minutes runs its full length with PETS_LONG_TESTS=1 only (internal/testenv):
# storms, floods, every bit and offset of a file, memory scans of the deployed build.
.PHONY: test
test: ## Run all tests, each as long as fits into three minutes
	go test ./...
	go test ./commands -commands.memory

.PHONY: check
check: format vet lint race modes ## The gate: format, vet, lint, tests with the race detector, both cgo modes

# The store, until it is boring: hours. A figure of docs/reliability.md that was
# measured with fewer rounds says so. Needs root for the loop mounts.
SEEDS  ?= 100000
KILLS  ?= 10000
CUTS   ?= 500
EVENTS ?= 10000000
.PHONY: torture
torture: export PETS_LONG_TESTS = 1
torture: ## Run every long test, and torture the store: SEEDS, KILLS, CUTS and EVENTS say how much
	go test ./... -count=1 -timeout 0
	go test ./eventstore/embedded -count=1 -timeout 0 -v -run Torture -torture.seeds $(SEEDS)
	go test ./eventstore/embedded -count=1 -timeout 0 -run 'TestCrashSeeds' -crash.seeds $(SEEDS)
	go test ./commands -count=1 -timeout 0 -v -run TestBotsAtEveryLimit -storm.rounds $(KILLS)
	go test ./commands/custody -count=1 -timeout 0 -v -run 'Killed|TwoServers|Storm' -custody.rounds $(CUTS)
	go test ./internal/soak -count=1 -timeout 0 -v -soak.events $(EVENTS)
	PETS_REQUIRE_TOOLS=1 go test ./internal/torture -count=1 -timeout 0 -v \
		-torture.kills $(KILLS) -torture.cuts $(CUTS) -torture.events $(EVENTS)

# pets bench with pebble, SQLite and PostgreSQL beside it: a module of its own, so that
# the product depends on none of them. Needs cgo, and Debian's postgresql for goal 11.
# BENCH are further flags: make bench BENCH="--goals 11 --json"
ROUNDS ?= 25
BENCH  ?=
.PHONY: bench
bench: ## Measure every goal beside the disk, pebble, SQLite and PostgreSQL, as ratios
	@cd internal/bench/rivals && CGO_ENABLED=1 go build -ldflags "-X main.version=$(VERSION)" -o "$(CURDIR)/bin/pets-rivals" .
	@bin/pets-rivals bench --rounds $(ROUNDS) $(BENCH)

# internal/esdbtest stands in for EventStoreDB in tests. Here the test suite of another client is
# its judge: it is fetched through the Go proxy, and wants the ports 2114 and 2115.
.PHONY: esdb-conformance
esdb-conformance: ## Run the test suite of the Kurrent client against the server of internal/esdbtest
	go test ./internal/esdbtest -count=1 -v -run TestConformance -esdb.conformance

# What reads bytes from outside, on bytes that nobody would send.
FUZZTIME ?= 60s
.PHONY: fuzz
fuzz: ## Fuzz every reader of input, and the arithmetic of markets, for FUZZTIME each
	go test ./domain -run '^$$' -fuzz FuzzDecode -fuzztime $(FUZZTIME)
	go test ./domain -run '^$$' -fuzz FuzzCodec -fuzztime $(FUZZTIME)
	go test ./domain -run '^$$' -fuzz FuzzReadCompact -fuzztime $(FUZZTIME)
	go test ./domain/payoff -run '^$$' -fuzz FuzzHolding -fuzztime $(FUZZTIME)
	go test ./eventstore/embedded -run '^$$' -fuzz FuzzDecode -fuzztime $(FUZZTIME)
	go test ./internal/index -run '^$$' -fuzz FuzzRun -fuzztime $(FUZZTIME) -fuzzminimizetime 1s
	go test ./internal/live -run '^$$' -fuzz FuzzParseKept -fuzztime $(FUZZTIME)
	go test ./projections -run '^$$' -fuzz FuzzRestore -fuzztime $(FUZZTIME)
	go test ./internal/strict -run '^$$' -fuzz FuzzDecode -fuzztime $(FUZZTIME)
	go test ./internal/strict -run '^$$' -fuzz FuzzPlain -fuzztime $(FUZZTIME)
	go test ./internal/strict -run '^$$' -fuzz FuzzEach -fuzztime $(FUZZTIME)
	go test ./internal/httpapi -run '^$$' -fuzz FuzzBodies -fuzztime $(FUZZTIME)
	go test ./internal/tradefile -run '^$$' -fuzz FuzzRead -fuzztime $(FUZZTIME)
	go test ./internal/tradefile -run '^$$' -fuzz FuzzNumber -fuzztime $(FUZZTIME)
	go test ./internal/tradefile -run '^$$' -fuzz FuzzTime -fuzztime $(FUZZTIME)
	go test ./replay/scenario -run '^$$' -fuzz FuzzScenario -fuzztime $(FUZZTIME)
	go test ./internal/typeddata -run '^$$' -fuzz FuzzRead -fuzztime $(FUZZTIME)

.PHONY: format
format: have-tools
	@unformatted="$$("$(GOFUMPT)" -l .)"; \
	if [[ -n "$$unformatted" ]]; then \
		printf 'not formatted (run: make fmt):\n%s\n' "$$unformatted" >&2; exit 1; \
	fi

.PHONY: vet
vet:
	go vet ./...

.PHONY: lint
lint: have-tools
	"$(GOLANGCI)" run ./...

# The race detector makes everything some ten times slower: rounds are few, and fewest in
# what starts no goroutine. The demo and the example bots (internal/cli/demo), which ask a server
# from processes of their own, run without it only.
.PHONY: race
race:
	CGO_ENABLED=1 go test -race -short -timeout 30m ./domain/... ./replay/...
	CGO_ENABLED=1 go test -race -timeout 30m $$(go list ./... | grep -v -e /domain -e /replay -e /cli/demo)

# The static build is what is deployed; the one with cgo is what the race
# detector runs. Neither may break unnoticed.
.PHONY: modes
modes:
	CGO_ENABLED=0 go build ./...
	CGO_ENABLED=1 go build ./...
	cd internal/bench/rivals && CGO_ENABLED=1 go vet ./...

.PHONY: fmt
fmt: have-tools ## Format all Go files
	"$(GOFUMPT)" -w .

.PHONY: env-example
env-example: ## Write .env.example anew from internal/config
	go generate ./internal/config

.PHONY: have-tools
have-tools:
	@$(have_gofumpt) || { echo "gofumpt $(GOFUMPT_VERSION) is missing: run make tools" >&2; exit 1; }
	@$(have_golangci) || { echo "golangci-lint $(GOLANGCI_VERSION) is missing: run make tools" >&2; exit 1; }

# Built from source through the Go proxy; the first build of golangci-lint takes
# some minutes. Nothing is done where the right version is there already.
.PHONY: tools
tools: ## Install gofumpt and golangci-lint into bin/tools where they are missing
	@$(have_gofumpt) || GOBIN="$(TOOLS)" go install mvdan.cc/gofumpt@$(GOFUMPT_VERSION)
	@$(have_golangci) || GOBIN="$(TOOLS)" go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
