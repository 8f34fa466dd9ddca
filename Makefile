# SPDX-License-Identifier: LGPL-2.1-or-later
#
# make help lists the targets. Variables: V=1 says more, SECONDS ends the demo,
# FUZZTIME bounds each fuzz target.

SHELL := /bin/sh
GO ?= go

# The version of all programs comes from here: the tag, else the commit.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X github.com/xp2p/xp2p/internal/version.Version=$(VERSION)

# -trimpath: the binaries do not depend on where they were built. -buildvcs=false:
# VERSION says it, also where git does not trust the directory.
export GOFLAGS := $(strip $(GOFLAGS) -trimpath -buildvcs=false)

# What must build and pass without a C compiler and without GStreamer.
PURE := $(addprefix ./,$(addsuffix /...,$(wildcard session device demux recorder nvr swarm rendezvous grant discovery control web pipelines)))

TESTFLAGS := -timeout 20m $(if $(V),-v)
FUZZTIME ?= 30s
SECONDS ?=
PEERS ?= 10,50,200,1000

.PHONY: help deps ui build demo test bench simulate fuzz asan lint

help: ## list the targets (this is what plain make does)
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo '  V=1 says more; make demo SECONDS=20 ends by itself; make fuzz FUZZTIME=10m'

deps: ## install what is missing on this machine (Debian packages, by apt-get)
	@scripts/need-go.sh
	@scripts/deps.sh

ui: ## build the page of the recorder (web/ui), which build embeds; needs npm
	@scripts/ui.sh

build: ui ## build bin/xp2p, with the page, and bin/libgstxp2p.so
	@scripts/need-go.sh
	CGO_ENABLED=0 $(GO) build -ldflags '$(LDFLAGS)' -o bin/xp2p ./cmd/xp2p
	CGO_ENABLED=1 $(GO) build -ldflags '$(LDFLAGS)' -buildmode=c-shared -o bin/libgstxp2p.so ./cmd/gstxp2p
	@rm -f bin/libgstxp2p.h

demo: deps build ## a camera, watched and recorded peer to peer on this machine; SECONDS=20 ends it by itself
	@exec bin/xp2p demo $(if $(SECONDS),--seconds $(SECONDS))

test: deps build ## every test, with the race detector, and what needs no cgo without it; go vet
	$(GO) vet -race ./...
	XP2P_BIN=$(CURDIR)/bin $(GO) test -race $(TESTFLAGS) ./...
	XP2P_BIN=$(CURDIR)/bin $(GO) test $(TESTFLAGS) -run Cycles ./gstsrc ./gstsink
	CGO_ENABLED=0 $(GO) build $(PURE)
	CGO_ENABLED=0 $(GO) test $(TESTFLAGS) $(PURE)

bench: deps build ## every benchmark, and the comparisons with other programs; into bin/bench.txt
	@scripts/bench.sh bin/bench.txt

simulate: ## swarms of 10 to PEERS viewers in simulated time; plots into docs/design/swarm
	@scripts/need-go.sh
	CGO_ENABLED=0 $(GO) run ./cmd/xp2p swarm simulate --out docs/design/swarm --peers $(PEERS)

fuzz: deps ## run every fuzz target for FUZZTIME (30s)
	@scripts/fuzz.sh $(FUZZTIME)

asan: deps ## the tests of the GStreamer elements with their C under AddressSanitizer
	@scripts/asan.sh

lint: deps ## gofmt, go vet, staticcheck
	@scripts/lint.sh
