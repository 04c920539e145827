# Zoetrope: each stage as a target. `make` alone lists them.
#
#   CACHE    the SQLite file (features.sqlite)     RUNS    folder of the runs (runs)
#   ARGS     more options for the command          ONEDNN  prefix of another oneDNN to build with
#
# Paths may contain spaces: variables are passed to the shell through the environment.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup build install uninstall test check docs faults fuzz races lint demo extract finetune tuned sequence sweep compare explore runs evaluate report predict cam export query pictures bench bench-heads bench-training bench-onnx bench-windows bench-device bench-growth peers clean

CACHE ?= features.sqlite
RUNS ?= runs
PIPELINE ?=
RUN ?=
VIDEO ?=
REPORT ?=
ONNX ?=
SQL ?=
ARGS ?=
export CACHE RUNS PIPELINE RUN VIDEO REPORT ONNX SQL
# Python writes no bytecode into the source folders.
export PYTHONDONTWRITEBYTECODE := 1

MODULES := Escaping Files Threads NeuralNetwork Inference Training ONNX Backbones Datasets Video FeatureCache Extraction SequenceModels FineTuning \
  Exploration Tokenizers Language Reports PipelineFile Workflows
PACKAGES := libdnnl-dev libavformat-dev libavcodec-dev libavfilter-dev libavutil-dev libswscale-dev libzip-dev libhdf5-dev libssl-dev libsqlite3-dev pkg-config sqlite3 curl gnuplot-nox
FORMULAE := onednn ffmpeg libzip hdf5 openssl@3 pkg-config gnuplot

# A oneDNN other than the system's uses a separate build folder.
ifdef ONEDNN
  export ONEDNN
  FLAGS := --scratch-path .build/onednn -Xcc '-I$(ONEDNN)/include' -Xlinker '$(ONEDNN)/lib/libdnnl.so' -Xlinker -rpath -Xlinker '$(ONEDNN)/lib'
  BUILT := .build/onednn/release
else
  BUILT := .build/release
endif
ifeq ($(shell uname),Darwin)
  HOMEBREW := -Xcc -I$(shell brew --prefix)/include -Xlinker -L$(shell brew --prefix)/lib
endif
FLAGS += $(HOMEBREW)
ZOETROPE := $(BUILT)/zoetrope

# Tests and the program that they run are compiled without Swift's optimiser, a module at a time: half the time of a debug
# build. C is optimised.
PLAIN := -c release -Xswiftc -Onone -debug-info-format none
TESTED := .build/$(if $(ONEDNN),onednn-)test
TESTING := $(FLAGS) $(PLAIN) -Xswiftc -enable-testing --scratch-path $(TESTED)

FIRST := demo|extract|sequence|evaluate|predict
help: ## List the targets
	@list() { grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/' | expand -t 16; }; \
	echo 'Main targets:'; list | grep -E '^($(FIRST)) ' | sed 's/^/  /'; \
	echo; echo 'Other targets:'; list | grep -vE '^($(FIRST)) ' | sed 's/^/  /'

setup: ## Install missing libraries (with sudo if not root)
	@if ! command -v swift >/dev/null; then \
	  echo "Swift 6 is needed: https://www.swift.org/install" >&2; exit 1; fi
	@if [ "$$(uname)" = Darwin ]; then \
	  missing=; for formula in $(FORMULAE); do brew list --formula $$formula >/dev/null 2>&1 || missing="$$missing $$formula"; done; \
	  if [ -n "$$missing" ]; then echo "Installing:$$missing"; brew install $$missing; fi; \
	elif command -v dpkg-query >/dev/null; then \
	  missing=; for package in $(PACKAGES); do \
	    dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; done; \
	  if [ -n "$$missing" ]; then \
	    echo "Installing:$$missing"; \
	    if [ "$$(id -u)" = 0 ]; then root=; else root=sudo; fi; \
	    $$root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$root apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi; \
	else \
	  echo "Install what your system calls these Debian packages: $(PACKAGES)"; fi

build: setup ## Build the program, in .build/release
	@if [ -x $(ZOETROPE) ]; then quiet=--quiet; else echo 'Building; the first time takes some minutes.' >&2; fi; \
	swift build -c release --product zoetrope -debug-info-format none $$quiet $(FLAGS) >&2

PREFIX ?= /usr/local
DESTDIR ?=
export PREFIX DESTDIR
# Swift's libraries are linked statically, so the program runs without Swift.
install: setup ## Install the program, completions and published pipelines: make install PREFIX=…
	@swift build -c release --product zoetrope -debug-info-format none --static-swift-stdlib --scratch-path .build/install $(HOMEBREW) >&2
	@set -e; root="$$DESTDIR$$PREFIX"; program=.build/install/release/zoetrope; share="$$root/share"; \
	install -d "$$root/bin" "$$share/zoetrope" "$$share/bash-completion/completions" "$$share/zsh/site-functions" \
	  "$$share/fish/vendor_completions.d"; \
	install -m 755 "$$program" "$$root/bin/zoetrope"; \
	cp -R pipelines "$$share/zoetrope/"; \
	"$$program" --generate-completion-script bash > "$$share/bash-completion/completions/zoetrope"; \
	"$$program" --generate-completion-script zsh > "$$share/zsh/site-functions/_zoetrope"; \
	"$$program" --generate-completion-script fish > "$$share/fish/vendor_completions.d/zoetrope.fish"; \
	echo "Installed $$root/bin/zoetrope; pipelines are in $$share/zoetrope/pipelines"

uninstall: ## Remove what `make install` wrote under PREFIX
	@root="$$DESTDIR$$PREFIX"; rm -rf "$$root/bin/zoetrope" "$$root/share/zoetrope" \
	  "$$root/share/bash-completion/completions/zoetrope" "$$root/share/zsh/site-functions/_zoetrope" \
	  "$$root/share/fish/vendor_completions.d/zoetrope.fish"

# Tests run side by side: a thread that waits for others sleeps, instead of taking their core.
test: setup ## Run all tests
	OMP_WAIT_POLICY=passive swift test $(TESTING) $(ARGS)

ROUNDS ?= 50
faults: build ## Repeated tests of kills, full disks, damaged caches and 5,000 videos (ten minutes)
	ZOETROPE_FAULTS=$(ROUNDS) ZOETROPE_SEED=$(SEED) ZOETROPE_PROGRAM="$$PWD/$(ZOETROPE)" swift test $(TESTING) --filter 'KillTests|DiskFullTests|EnduranceTests|damagedAnywhere|HostileColumnTests'

CASES ?= 20000
# For caches and runs, whose readers are whole commands.
SLOW_CASES ?= $(CASES)
SEED ?= 1
VIDEOS ?=
# A build with the optimiser takes longer, but runs cases faster.
FUZZ_FLAGS ?= -c release
fuzz: setup ## Fuzz all readers of files, caches and runs under AddressSanitizer: make fuzz CASES=20000 VIDEOS='more/*.mp4'
	@swift build $(FUZZ_FLAGS) --sanitize=address --product Fuzz --scratch-path .build/asan $(HOMEBREW) >&2
	@set -e; export SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=detect_leaks=0 ZOETROPE_TUNING=off; fuzz=.build/asan/release/Fuzz; \
	( $$fuzz cache $(SLOW_CASES) $(SEED); \
	$$fuzz hdf5 $(CASES) $(SEED) Tests/*/Fixtures/*.h5; \
	$$fuzz video $(CASES) $(SEED) $(filter-out %.json,$(wildcard Tests/VideoTests/Fixtures/matrix/*)) $(VIDEOS); \
	$$fuzz onnx $(CASES) $(SEED) Tests/ONNXTests/Fixtures/*.onnx ) & others=$$!; trap 'kill $$others 2>/dev/null || :' EXIT; \
	$$fuzz safetensors $(CASES) $(SEED) Tests/BackbonesTests/Fixtures/timm.bin; \
	$$fuzz pickle $(CASES) $(SEED) Tests/NeuralNetworkTests/Fixtures/weights/*.bin; \
	$$fuzz yaml $(CASES) $(SEED) pipelines/*.yaml; \
	$$fuzz splits $(CASES) $(SEED) Tests/Fuzzing/Seeds/*; \
	$$fuzz message $(CASES) $(SEED) Tests/ONNXTests/Fixtures/*.onnx; \
	$$fuzz tokenizer $(CASES) $(SEED) Tests/LanguageTests/Fixtures/*.model Tests/LanguageTests/Fixtures/*.txt; \
	$$fuzz run $(SLOW_CASES) $(SEED); \
	wait $$others

races: setup ## Tests of extraction and cache under ThreadSanitizer, without those that use one thread
	ZOETROPE_TEST_TARGETS='ExtractionTests FeatureCacheTests ThreadsTests' swift test $(PLAIN) -Xswiftc -enable-testing --sanitize=thread --scratch-path .build/tsan $(HOMEBREW) \
	  --skip 'HostileColumnTests|HostileMergeTests|HostileCacheTests|DamagedCacheTests|SQLConditionTests|CacheCareTests|RealListsTests|DemoDatasetTests'

check: setup ## Run the checks of continuous integration: formatting, all tests, short fuzzing, races
	@TESTING='$(TESTING)' PLAIN='$(PLAIN)' Tests/check.sh

docs: setup ## Build the reference of all modules, in .build/docs
	@rm -rf .build/docs; mkdir -p .build/docs; set -e; for module in $(MODULES); do \
	  ZOETROPE_DOCS=1 swift package --scratch-path .build/reference --allow-writing-to-directory .build/docs/$$module \
	    generate-documentation --target $$module --output-path .build/docs/$$module --symbol-graph-minimum-access-level package --warnings-as-errors >.build/docs.log 2>&1 \
	    || { cat .build/docs.log >&2; exit 1; }; \
	  echo ".build/docs/$$module"; done

lint: ## Check the formatting
	swift format lint --strict --recursive Sources Tests Package.swift

demo: build ## Generate clips and train two classifiers, in demo/
	@$(ZOETROPE) demo $(ARGS)

extract: build ## Stage 1, extract features: make extract PIPELINE=pipelines/….yaml
	@$(ZOETROPE) extract "$${PIPELINE:?name a file: make extract PIPELINE=pipelines/….yaml}" --cache "$$CACHE" $(ARGS)

finetune: build ## Train a backbone and a head: make finetune PIPELINE=pipelines/….yaml
	@$(ZOETROPE) finetune "$${PIPELINE:?name a file: make finetune PIPELINE=pipelines/….yaml}" --cache "$$CACHE" --runs "$$RUNS" $(ARGS)

tuned: build ## finetune, extract, sequence, compare: make tuned PIPELINE=pipelines/….yaml
	@set -e; name=$$(basename "$${PIPELINE:?name a file: make tuned PIPELINE=pipelines/….yaml}" .yaml)-tuned; \
	weights="extract.weights=$$RUNS/$$name/backbone/model.safetensors"; \
	$(ZOETROPE) finetune "$$PIPELINE" --cache "$$CACHE" --runs "$$RUNS" --name "$$name" $(ARGS); \
	$(ZOETROPE) extract "$$PIPELINE" --cache "$$CACHE" --set "$$weights"; \
	$(ZOETROPE) sequence "$$PIPELINE" --cache "$$CACHE" --runs "$$RUNS" --name "$$name-head" --set "$$weights"; \
	$(ZOETROPE) compare "$$RUNS/$$name" "$$RUNS/$$name-head"

sequence: build ## Stage 2, train a head: make sequence PIPELINE=pipelines/….yaml
	@$(ZOETROPE) sequence "$${PIPELINE:?name a file: make sequence PIPELINE=pipelines/….yaml}" --cache "$$CACHE" --runs "$$RUNS" $(ARGS)

sweep: build ## Hyper-parameter sweep: make sweep PIPELINE=pipelines/recurrence.yaml
	@$(ZOETROPE) sweep "$${PIPELINE:?name a file: make sweep PIPELINE=pipelines/….yaml}" --cache "$$CACHE" --runs "$$RUNS" $(ARGS)

compare: build ## Compare runs: make compare RUN='runs/a runs/b'
	@$(ZOETROPE) compare $${RUN:?name runs: make compare RUN='runs/a runs/b'} $(ARGS)

explore: build ## Page about a collection: map, near-duplicates, suspected label errors, outliers
	@$(ZOETROPE) explore "$$CACHE" $(ARGS)

runs: build ## List the runs of a cache
	@$(ZOETROPE) runs --cache "$$CACHE" $(ARGS)

evaluate: build ## Evaluate a run: make evaluate RUN=runs/…
	@$(ZOETROPE) evaluate "$${RUN:?name a run: make evaluate RUN=runs/…}" $(ARGS)

report: build ## HTML report of a run, by default in its folder: make report RUN=runs/…
	@$(ZOETROPE) evaluate "$${RUN:?name a run: make report RUN=runs/…}" --report "$${REPORT:-$$RUN/report.html}" $(ARGS) >/dev/null

cam: build ## Class-activation maps (Grad-CAM): make cam RUN=runs/… VIDEO=….mp4
	@$(ZOETROPE) cam "$${RUN:?name a run: make cam RUN=runs/… VIDEO=….mp4}" "$${VIDEO:?name a video: VIDEO=….mp4}" $(ARGS)

predict: build ## Predict the class of a video: make predict RUN=runs/… VIDEO=….mp4
	@$(ZOETROPE) predict "$${RUN:?name a run: make predict RUN=runs/… VIDEO=….mp4}" "$${VIDEO:?name a video: VIDEO=….mp4}" $(ARGS)

export: build ## Export a run as an ONNX file: make export RUN=runs/… ONNX=model.onnx
	@$(ZOETROPE) export "$${RUN:?name a run: make export RUN=runs/… ONNX=model.onnx}" "$${ONNX:?name a file: ONNX=model.onnx}" $(ARGS)

query: setup ## Query the cache: make query SQL='SELECT …'
	@test -f "$$CACHE" || { echo "There is no cache at $$CACHE; name it with CACHE=…" >&2; exit 1; }
	@sqlite3 -readonly -safe -box "$$CACHE" "$${SQL:?write a query: make query SQL='SELECT …'}"

PEERS ?= $(HOME)/.cache/zoetrope/peers
KERAS ?= $(PEERS)-keras
pictures: build ## Images and quoted outputs of README and guides (needs ffmpeg, Chromium)
	@docs/pictures.sh "$$PWD/$(ZOETROPE)" .build/pictures

bench: setup peers ## Benchmark stage 1 against OpenVINO, ONNX Runtime, PyTorch and Keras; writes Tests/Benchmarks/RESULTS.md
	@command -v ffmpeg >/dev/null || { echo "ffmpeg is needed to generate the clips: apt install ffmpeg" >&2; exit 1; }
	@swift build -c release --product zoetrope $(FLAGS) >&2 && swift build -c release --product Benchmarks $(FLAGS) >&2
	@$(PEERS)/bin/python Tests/Benchmarks/bench.py --binary $(BUILT) --keras $(KERAS)/bin/python $(ARGS)

bench-training: setup peers ## Benchmark fine-tuning against PyTorch
	@swift build -c release --product Benchmarks $(FLAGS) >&2
	@$(PEERS)/bin/python Tests/Benchmarks/training.py --binary $(BUILT)/Benchmarks $(ARGS)

bench-heads: setup peers ## Benchmark heads against PyTorch and Keras
	@swift build -c release --product Benchmarks $(FLAGS) >&2
	@$(PEERS)/bin/python Tests/Benchmarks/heads.py --binary $(BUILT)/Benchmarks --keras $(KERAS)/bin/python $(ARGS)

bench-onnx: setup peers ## Benchmark imported ONNX files against ONNX Runtime and OpenVINO
	@swift build -c release --product zoetrope $(FLAGS) >&2 && swift build -c release --product Benchmarks $(FLAGS) >&2
	@$(PEERS)/bin/python Tests/Parity/onnx_import.py --binary $(BUILT) --speed $(ARGS)

bench-windows: setup peers ## Benchmark video encoders against PyTorch and OpenVINO
	@swift build -c release --product zoetrope $(FLAGS) >&2 && swift build -c release --product Benchmarks $(FLAGS) >&2
	@$(PEERS)/bin/python Tests/Benchmarks/windows.py --binary $(BUILT) $(ARGS)

bench-device: setup peers ## Benchmark a GPU against PyTorch: make bench-device ARGS='--clips FOLDER'
	@swift build -c release --product zoetrope $(FLAGS) >&2 && swift build -c release --product Benchmarks $(FLAGS) >&2
	@$(PEERS)/bin/python Tests/Benchmarks/device.py --binary $(BUILT) $(ARGS)

bench-growth: build ## Benchmark 1,000 to 100,000 clips
	@python3 Tests/Benchmarks/growth.py --binary $(BUILT) $(ARGS)

peers:
	@test -x $(PEERS)/bin/python || { python3 -m venv $(PEERS) && $(PEERS)/bin/pip install --quiet \
	  torch torchvision timm openvino nncf onnx onnxscript onnxruntime opencv-python-headless av pillow numpy; }
	@test -x $(KERAS)/bin/python || { python3 -m venv $(KERAS) && \
	  $(KERAS)/bin/pip install --quiet tensorflow-cpu opencv-python-headless; }

clean: ## Remove build products
	rm -rf .build
