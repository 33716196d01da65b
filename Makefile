# The few commands of this project. `make help` lists them.

BIN := build/release/bin/vidpipeline

.DEFAULT_GOAL := help
.PHONY: help setup setup-test build demo run test bench soak format lint clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup:
	@scripts/setup.sh build

setup-test:
	@scripts/setup.sh build test

build: setup ## Build the program (Release)
	@cmake --preset release -DVIDPIPELINE_TESTS=OFF --log-level=WARNING
	@cmake --build --preset release

demo: build ## Show it: serve, upload a film clip, print the page to open (EXIT=1 ends when it is done)
	@EXIT=$(EXIT) PORT=$(PORT) scripts/demo.sh $(BIN)

run: build ## Serve on http://localhost:8000
	@$(BIN) serve

test: setup-test ## Run all tests
	@scripts/test.sh

soak: setup-test ## Run the fault loops in full (an hour or more)
	@SOAK=1 scripts/test.sh -L soak

bench: setup-test ## Measure, against FFmpeg and nginx on this machine
	@bench/run.sh

format: ## Format the sources
	@git ls-files '*.cpp' '*.hpp' | xargs clang-format-16 -i

lint: setup-test ## Check format, clang-tidy and a build with clang
	@scripts/lint.sh

clean: ## Remove what was built; the data folder stays
	@rm -rf build
