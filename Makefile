# sstpwarden: make alone lists the targets.

GO            ?= go
BIN           := bin
GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
FUZZTIME      ?= 60s
PGO           := cmd/sstpwarden/audit.pgo

export GOFLAGS ?=

.DEFAULT_GOAL := help
.PHONY: help build demo test race interop lint fmt cover fuzz golden bench pgo clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/sstpwarden and bin/sstplab
	CGO_ENABLED=0 $(GO) build -trimpath -pgo=$(PGO) -o $(BIN)/ ./cmd/sstpwarden ./cmd/sstplab

demo: build ## audit the captures that come with the source
	$(BIN)/sstpwarden audit --keylog pcaps/testdata/demo.keys pcaps/testdata

test: ## all tests
	CGO_ENABLED=0 $(GO) test ./...

race: ## all tests under the race detector, but those of built programs, which it does not see, and of rules, which start nothing
	CGO_ENABLED=1 $(GO) test -race -vet=off -timeout 20m $$($(GO) list ./... | grep -v -e /interop -e /rules$$)

interop: build ## the built programs against sstpc, pppd and squid in virtual machines (root, Debian)
	SSTPWARDEN=$${SSTPWARDEN:-$(CURDIR)/$(BIN)/sstpwarden} SSTPLAB=$${SSTPLAB:-$(CURDIR)/$(BIN)/sstplab} CGO_ENABLED=0 \
		$(GO) test -tags interop -count=1 -v -p 1 -timeout 25m ./pcaps/interop/...

lint: ## golangci-lint, built on first use
	CGO_ENABLED=0 $(GO) run $(GOLANGCI_LINT) run ./...

fmt: ## format the source
	$(GO) run $(GOLANGCI_LINT) fmt ./...

cover: ## test coverage of inspect/, at least 85 %
	@mkdir -p $(BIN)
	@CGO_ENABLED=0 $(GO) test -coverpkg=./inspect/... -coverprofile=$(BIN)/cover.out ./inspect/... ./pcaps >/dev/null
	@$(GO) tool cover -func=$(BIN)/cover.out | awk '/^total:/ {print "inspect: " $$3; if ($$3+0 < 85) {print "below 85 %"; exit 1}}'

fuzz: ## every fuzz target for FUZZTIME (60s) each
	@for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "== $$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$pkg || exit 1; \
		done; \
	done

golden: ## rewrite the expected results of pcaps/testdata
	CGO_ENABLED=0 $(GO) test ./pcaps -run TestGolden -update

bench: build ## speed beside others (root for nfq; Debian: tshark libndpi-bin squid-openssl haproxy tinyproxy mitmproxy)
	CGO_ENABLED=0 $(GO) run ./pcaps/bench -dir $(BIN)/bench

pgo: bench ## renew the profile that the build is optimised by
	CGO_ENABLED=0 $(GO) test -trimpath ./pcaps -run '^$$' -bench BenchmarkRun -benchtime 60x -o $(CURDIR)/$(BIN)/pcaps.test \
		-cpuprofile $(CURDIR)/$(PGO) -capture "$$(ls $(CURDIR)/$(BIN)/bench/edge*.pcap)"

clean: ## remove what was built
	rm -rf $(BIN)
