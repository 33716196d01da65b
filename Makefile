# The few commands of this project. `make help` lists them.

BIN := build/release/bin/vidpipeline

.DEFAULT_GOAL := help
.PHONY: help setup setup-test setup-kafka build demo run kafka kafka-clean test bench soak format lint clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

setup:
	@scripts/setup.sh build

setup-test:
	@scripts/setup.sh build test

setup-kafka:
	@scripts/setup.sh kafka

build: setup ## Build the program (Release)
	@cmake --preset release -DVIDPIPELINE_TESTS=OFF --log-level=WARNING
	@cmake --build --preset release

demo: build $(if $(filter 1,$(KAFKA)),setup-kafka) ## Show it: serve, upload a film clip, print the page (EXIT=1 ends then; KAFKA=1: by a broker)
	@EXIT=$(EXIT) PORT=$(PORT) KAFKA=$(KAFKA) scripts/demo.sh $(BIN)

run: build ## Serve on http://localhost:8000
	@$(BIN) serve

kafka: setup-kafka ## Run a Kafka broker on localhost:9092 (PORT=... for another) until Ctrl-C
	@kafka/broker.sh $(PORT)

kafka-clean: ## Remove that broker's topics and records
	@rm -rf build/kafka/data

test: setup-test setup-kafka ## Run all tests
	@scripts/test.sh

soak: setup-test setup-kafka ## Run the fault loops in full (an hour or more)
	@SOAK=1 scripts/test.sh -L soak

bench: setup-test setup-kafka ## Measure, against FFmpeg and nginx on this machine
	@bench/run.sh

format: ## Format the sources
	@git ls-files '*.cpp' '*.hpp' | xargs clang-format-16 -i

lint: setup-test ## Check format, clang-tidy and a build with clang
	@scripts/lint.sh

clean: ## Remove what was built; the data folder stays
	@rm -rf build
