# Everything that is done to this project. `make` alone explains the targets.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X github.com/tricircle/tricircle/internal/cli.Version=$(VERSION)
# The race detector needs a C compiler; without one the same tests run without it.
RACE    := $(if $(shell command -v gcc),-race)
# A pipe fails if any part of it does.
SHELL       := /bin/bash
.SHELLFLAGS := -o pipefail -c
PODS    ?= 3
SERVERS ?= 0
# The one service whose tempest tests are run; empty is all.
ONLY    ?=
# The share of tempest's tests that an acceptance run takes beside the core: another one with each commit.
SHARE   ?= $(shell git rev-list --count HEAD 2>/dev/null || echo 0)

.DEFAULT_GOAL := help
.PHONY: help build demo test race bench bench-ports microbench check lint tidy acceptance tempest testbed-up testbed-down testbed-reset fmt clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## bin/tricircle, static, with its version
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/tricircle ./cmd/tricircle

demo: build ## the top over simulated pods; PODS=3 SERVERS=0
	bin/tricircle demo --pods $(PODS) --servers $(SERVERS)

test: bin/summary ## all tests that need nothing but Go
	go test -json ./... | bin/summary

race: bin/summary ## the same with the race detector, if gcc is there
	go test $(RACE) -json ./... | bin/summary

bench: build ## figures of the built program, into docs/benchmarks.md: 5 minutes on a quiet machine, and with the testbed up some 6 more, against its Neutron
	go build -o bin/bench ./test/bench
	bin/bench -o docs/benchmarks.md

bench-ports: ## a million ports in PostgreSQL: medians of what the networking API asks the database, and the plans
	go test -v -run '^$$' -bench Objects/PostgreSQL -timeout 60m ./internal/store/sqlstore -ports 1000000

microbench: ## allocations and time of the hot paths
	go test -run '^$$' -bench . -benchmem ./...

check: lint tidy race ## what must hold before a commit: formatting, linters, modules, tests

lint: bin/staticcheck
	@files=$$(gofmt -l .); test -z "$$files" || { echo "gofmt: $$files"; exit 1; }
	go vet ./...
	go vet -tags acceptance ./test/acceptance
	bin/staticcheck ./...
	bin/staticcheck -tags acceptance ./test/acceptance

tidy:
	go mod tidy -diff
	go mod verify

bin/summary: $(wildcard test/summary/*.go)
	go build -o $@ ./test/summary

bin/tempest: $(wildcard test/tempest/*.go)
	go build -o $@ ./test/tempest

# Tools have a module of their own, so that what they need stays out of ours.
bin/staticcheck: tools/go.mod tools/go.sum
	go -C tools build -o ../$@ honnef.co/go/tools/cmd/staticcheck

acceptance: build bin/summary bin/tempest testbed-up ## scenarios and a share of tempest on real OpenStack pods: Debian 12, as root
	testbed/top down
	{ go test -tags acceptance -count 1 -timeout 20m -json ./test/acceptance; bin/tempest -share $(SHARE); } | bin/summary -v

tempest: build bin/summary bin/tempest testbed-up ## all of tempest that passes on one pod, through the top; half an hour; ONLY=network
	bin/tempest -all -only '$(ONLY)' | bin/summary -v

testbed-up: ## two real OpenStack pods on this machine: Debian 12, as root; see testbed/README.md
	testbed/testbed up --with-tempest

testbed-down: ## stops them; their data stays
	testbed/testbed down

testbed-reset: ## stops them and forgets their data
	testbed/testbed reset

fmt: ## gofmt, in place
	gofmt -w .

clean: ## what was built
	rm -rf bin
