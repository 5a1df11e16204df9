# `make run` starts Shenton, `make test` checks everything. Both install what is missing and say so.
# Where things are built: .ci/env.sh.
SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

DATA ?= data
LISTEN ?= 127.0.0.1:3000
# Simulated studies for an empty database; 0 for none.
DEMO ?= 12
ARGUMENTS ?=

.PHONY: help run test bundle server end2end screenshots setup format clean train-demo

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

run: ## build all and start the server; DATA=folder LISTEN=address:port ARGUMENTS='more for shenton serve'
	@. .ci/env.sh
	.ci/setup.sh run
	frontend/bundle.sh
	[ -x "$$CARGO_TARGET_DIR/release/shenton" ] || say "the first build takes 10 to 30 minutes, later ones seconds"
	say "server: cargo build --release $$(gpu_features)"
	cargo build --release $$(gpu_features)
	exec "$$CARGO_TARGET_DIR/release/shenton" serve --data "$(DATA)" --site "$$SHENTON_SITE" --models server/models --listen "$(LISTEN)" --demo $(DEMO) $(ARGUMENTS)

test: ## format, clippy, native tests, wasm leg, browser tests; ends with the counts
	@.ci/test.sh

setup: ## install what `run` and `test` need
	@.ci/setup.sh test

bundle: ## what browsers load
	@frontend/bundle.sh

server: ## the release binary
	@. .ci/env.sh
	cargo build --release

end2end: ## only the browser tests, on what is built
	@.ci/setup.sh test
	frontend/bundle.sh
	. .ci/env.sh
	cargo build --release
	end2end/run.sh

screenshots: ## the README's pictures, by the browser tests
	@SHENTON_SCREENSHOTS=1 $(MAKE) --no-print-directory end2end

train-demo: ## a tiny version of all four networks, trained on the CPU in minutes; OUT=folder
	@. .ci/env.sh
	.ci/setup.sh run
	cargo build --release
	shenton="$$CARGO_TARGET_DIR/release/shenton"
	out="$(OUT)"
	out="$${out:-$$CARGO_TARGET_DIR/train-demo}"
	for network in frontal bounding metal fracture; do
		say "$$network"
		"$$shenton" train "$$network" --config "server/models/configs/demo/$$network.toml" --out "$$out" --cache "$$out/cache"
	done
	say "the folder loads and reads a simulated x-ray"
	"$$shenton" models --models "$$out"
	"$$shenton" simulate image --seed 7 --out "$$out/demo.dcm"
	"$$shenton" analyse --models "$$out" "$$out/demo.dcm"
	say "curves: $$out/*/training.svg"

format: ## rustfmt over the workspace
	@cargo fmt --all

clean: ## remove what was built; ./data stays
	@. .ci/env.sh
	cargo clean
