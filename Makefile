SHELL := /bin/sh

PREFIX  ?= /usr/local
DESTDIR ?=

# The tools are pinned in a module of their own, so that none of them ends up in
# the agent's dependencies.
TOOLS := -modfile=agent/tools/go.mod

# The race detector needs a C compiler; without one the tests run without it.
RACE := $(if $(shell command -v "$$(go env CC)"),-race)

# The commit goes into the program, for agent version, also where GOFLAGS says otherwise;
# not where git refuses to tell it, as in a checkout of another user.
VCS := -buildvcs=$(if $(shell git rev-parse HEAD 2>/dev/null),true,false)

.DEFAULT_GOAL := help
# bin/chaos is built each time: go knows what has changed.
.PHONY: bin/chaos help build demo test sbom reproducible chaos chaos-full soak lint generate bench bench-e2e install package systemd-test

# What the harness attacks with; its dependencies are none of the agent's.
CHAOS := agent/chaos
HOURS ?= 2

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build bin/agent, one static binary
	CGO_ENABLED=0 go build -trimpath $(VCS) -o bin/agent ./agent

sbom: build ## Write what bin/agent was built from, as bin/agent.cdx.json (CycloneDX)
	go run ./agent/sbom bin/agent > bin/agent.cdx.json

reproducible: ## Build twice, in two folders with nothing cached, and compare bit for bit
	agent/tools/reproducible.sh

demo: build ## See it work: generated CloudTrail objects become rows in a throwaway PostgreSQL (KEEP=1 leaves it running)
	@agent/tools/postgres.sh
	@go run ./examples/demo $(if $(KEEP),-keep)

test: ## Run all tests; they start the servers they need
	@agent/tools/postgres.sh
	go test $(RACE) -timeout 60m ./...
	cd $(CHAOS) && go test $(RACE) -timeout 60m ./...

bin/chaos: build
	cd $(CHAOS) && CGO_ENABLED=0 go build -trimpath -o ../../bin/chaos .

chaos: bin/chaos ## Attack the agent in 16 ways, with 60 kills; nothing may be lost (FLAGS="-scenario P1,D3 -seed 1")
	@agent/tools/postgres.sh
	bin/chaos -agent bin/agent $(FLAGS)

chaos-full: bin/chaos ## Attack it in every way that this machine can, with 1,000 kills; takes about an hour
	@agent/tools/postgres.sh
	bin/chaos -agent bin/agent -full -kills 1000 $(FLAGS)

soak: bin/chaos ## Attack it at random for HOURS=2
	@agent/tools/postgres.sh
	bin/chaos -agent bin/agent -hours $(HOURS) $(FLAGS)

lint: ## Check style and the usual mistakes
	go vet ./...
	go tool $(TOOLS) golangci-lint run ./...
	cd $(CHAOS) && go vet ./... && go tool -modfile=../tools/go.mod golangci-lint run ./...
	cd sdk && go tool -modfile=../agent/tools/go.mod buf lint

generate: ## Generate the code of the plugin protocol, for Go and Python, and the tables of the configuration reference
	go build $(TOOLS) -o bin/tools/ google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
	cd sdk && PATH="$(CURDIR)/bin/tools:$$PATH" go tool -modfile=../agent/tools/go.mod buf generate
	go test ./sdk/internal/pluginv1 -run Python -update
	cp sdk/python/agent_plugin.py sdk/python/plugin_pb2.py examples/agent-sink-python/sink/
	go test ./agent -run ConfigurationReference -update

bench: build ## Measure each stage, then the whole beside PostgreSQL itself; compare two runs with benchstat
	@agent/tools/postgres.sh
	go test -run '^$$' -bench . -benchmem ./...
	@$(MAKE) --no-print-directory bench-e2e

bench-e2e: build ## Measure the whole alone (BENCH="-events 50000 -rounds 1 -objects 5000" for a short form)
	@agent/tools/postgres.sh
	CGO_ENABLED=0 go build -trimpath -ldflags=-s -o bin/bench ./agent/bench
	bin/bench $(BENCH)

install: build ## Install the agent and an example configuration below $(DESTDIR)$(PREFIX)
	install -D -m 0755 bin/agent "$(DESTDIR)$(PREFIX)/bin/agent"
	install -D -m 0644 agent.hcl.example "$(DESTDIR)$(PREFIX)/share/inu-logsmith/agent.hcl.example"

package: ## Build deb, rpm and tarball for amd64 and arm64 into bin/release, the same bytes each time
	agent/packaging/build.sh bin/release

systemd-test: ## As root: install the deb in a container with a real systemd, and put it through its life
	@agent/tools/postgres.sh
	@agent/packaging/systemd-test.sh
