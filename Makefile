# Every target can be run on its own in a clean clone of the repository.

SHELL    := /bin/bash
BUILD    := build
FUZZTIME ?= 30s
SCHEDULES  ?= 20000
FIRST_SEED ?= 0
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X main.version=$(VERSION)
TOOL     := go tool -modfile=.ci/tools.mod

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

.PHONY: run
run: setup-run build ## the main job: a CA whose key lives in the device, with iKeys (AUTH=password: without), checked by OpenSSL
	@AUTH='$(AUTH)' scripts/run

.PHONY: build
build: ## build/usbhsm7 (the device, static) and build/hsm7 (everything on the host)
	@mkdir -p $(BUILD)
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $(BUILD)/usbhsm7 ./firmware/cmd/usbhsm7
	go build -trimpath -ldflags '$(LDFLAGS)' -o $(BUILD)/hsm7 ./hostdrv/cmd/hsm7

.PHONY: test
test: setup lint unit race fuzz-short bench-short lab lab-bench-short run ## everything that proves the product

.PHONY: unit
unit:
	go test ./...

.PHONY: race
race: # a program that is built to find races rests for a second at its end, and the tests run hundreds of them
	GORACE=atexit_sleep_ms=10 go test -race -short ./...

.PHONY: lint
lint: ## formatting, vet, static analysis, import rules
	@out=$$($(TOOL) gofumpt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "not formatted (gofumpt -w):"; echo "$$out"; exit 1; fi
	go vet ./...
	go vet -tags 'lab hardware' ./...
	$(TOOL) staticcheck -tags 'lab hardware' ./...
	go test ./scripts/house

.PHONY: bench
bench: setup ## side-by-side benchmarks; writes build/bench.json
	@mkdir -p $(BUILD)
	go run ./scripts/bench -out $(BUILD)/bench.json

.PHONY: bench-short
bench-short:
	@mkdir -p $(BUILD)
	go run ./scripts/bench -short -out $(BUILD)/bench-short.json

# How many times as long as usual the lab runs the cases of the kernel's usbtest.
USBTEST_SWEEP ?= 1

.PHONY: lab
lab: setup build ## only the real-kernel lab: stock Debian kernel in QEMU; writes build/lab.json
	USBTEST_SWEEP=$(USBTEST_SWEEP) go test -tags lab -count=1 -p 1 -timeout 20m ./scripts/lab/...

.PHONY: lab-bench
lab-bench: setup ## our USB/IP server against the kernel's in the lab; writes build/lab-bench.json
	@mkdir -p $(BUILD)
	go run ./scripts/lab/bench -out $(BUILD)/lab-bench.json

.PHONY: lab-bench-short
lab-bench-short: setup
	go run ./scripts/lab/bench -short -guest virtual

.PHONY: fuzz
fuzz: ## every fuzz target in turn, FUZZTIME=30s each
	scripts/fuzz $(FUZZTIME)

.PHONY: fuzz-short
fuzz-short:
	scripts/fuzz 3s

.PHONY: schedules
schedules: ## random schedules of USB/IP server and client, SCHEDULES=20000 from FIRST_SEED=0
	go test ./usbip/server -run TestSchedulesOfSeeds -count=1 -timeout 0 -schedules $(SCHEDULES) -first-seed $(FIRST_SEED)

.PHONY: rehearsal
rehearsal: ## power cuts at every flash operation of every command; writes build/rehearsal.json
	@mkdir -p $(BUILD)
	go run ./scripts/rehearse -out $(BUILD)/rehearsal.json

.PHONY: setup
setup:
	@scripts/setup test

.PHONY: setup-run
setup-run:
	@scripts/setup run

.PHONY: clean
clean:
	rm -rf $(BUILD)
