# The targets run in .venv and create it if it does not exist.
PYTHON ?= python3
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)

# Training options for the stories of data/rooms.txt; docs/explanation/rooms.md explains them.
DEMO_OPTIONS := --lines --hidden 192 --dropout 0.1 --weight-dropout 0 --weight-decay 0 --tar 0 --averaging 0 --learning-rate 0.005 --hold 0 --epochs 21 --curriculum 7

# Where docs/check_pages.py leaves the live pages of the gallery.
LIVE := build/docs-check/pages/docs/guides/share-page.md

# The torch package that `make bench` compares with: any build for the CPU.
TORCH ?= torch

.PHONY: demo demo-start bundle test test-demo test-wheel lint docs docs-check docs-renew pictures sentences bench quality \
	gallery clean

demo: demo-start .venv/installed
	@echo; echo "1. Train a network on the stories of data/rooms.txt:"
	$(BIN)/charlstm train data/rooms.txt $(DEMO_OPTIONS) -m rooms.npz --force
	@echo; echo "2. Continue the seed of the article, then its two stories, which are not in the corpus:"
	$(BIN)/charlstm sample -m rooms.npz --random-seed 0 --seed "mady said hi to"
	$(BIN)/charlstm sample -m rooms.npz --random-seed 0 --seed "mady walks in to the room, monica also walks in to the room. mady said hi to"
	$(BIN)/charlstm sample -m rooms.npz --random-seed 0 --seed "mady and monica walk in to the room together, later richard walks in to the room. mady said hi to"
	@echo; echo "3. Print the gates at every character:"
	$(BIN)/charlstm inspect -m rooms.npz "monica walks in. mady said hi to monica."
	@echo; echo "4. Write whole stories:"
	$(BIN)/charlstm sample -m rooms.npz --random-seed 0 --seed '' --samples 6
	@echo; echo "5. Ask the model whom somebody greets in stories whose casts are not in the corpus:"
	$(BIN)/python data/name_kinds.py | $(BIN)/charlstm inspect -m rooms.npz --cloze -
	@echo; echo "6. Write rooms.html, a page that runs the model in a browser:"
	$(BIN)/charlstm inspect -m rooms.npz --format html -o rooms.html --example "mady walks in to the room, monica also walks in to the room. mady said hi to monica." --example "mady and monica walk in to the room together, later richard walks in to the room. mady said hi to richard."
	@echo; $(BIN)/python data/next_steps.py

# What `make demo` does, and how long it takes.
demo-start:
	@echo "The demo installs charlstm into the folder .venv, trains a network on short stories of who is in the room,"
	@echo "and shows what the network has learnt. It takes about five minutes on a quiet computer with two cores."
	@echo "While the network learns, a line shows the step, the losses and the time that is left."

# Store the model that `make demo` trained in the package, in half precision.
bundle: .venv/installed
	$(BIN)/python data/bundle_rooms.py rooms.npz charlstm/model/data/rooms.npz

test: .venv/installed-test
	$(BIN)/python -m pytest

# Test the model that `make demo` trained, on the whole test set.
test-demo: .venv/installed-test
	$(BIN)/python -m pytest tests/learnt_rooms.py

# Install a wheel into empty environments without a network, with the oldest and the newest Python here, and use it.
test-wheel:
	$(PYTHON) tests/install_wheel.py

lint: .venv/installed-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/deno lint --quiet
	$(BIN)/deno fmt --quiet --check

# Write the generated references, then build the site into build/site; a warning is an error.
docs: .venv/installed-docs
	$(BIN)/python docs/make_options.py
	$(BIN)/python docs/make_modules.py
	$(BIN)/python docs/make_man.py
	$(BIN)/python docs/check_pages.py docs/guides/share-page.md
	mkdir -p build/live/live
	cp $(LIVE)/rooms.html $(LIVE)/manual.html build/live/live/
	$(BIN)/python -m sphinx -W --keep-going -q -b html -d build/doctrees docs build/site
	@echo "Open build/site/index.html in a browser."

# Run every command of the documentation and compare its output.
docs-check: .venv/installed-docs
	$(BIN)/python docs/check_pages.py

# Write the output of this machine into the pages.
docs-renew: .venv/installed-docs
	$(BIN)/python docs/check_pages.py --renew

# Take the pictures of the pages; it needs Chromium.
pictures: .venv/installed-test
	$(BIN)/python docs/make_pictures.py

# Print every text that a user can see, for proofreading.
sentences: .venv/installed
	$(BIN)/python docs/list_sentences.py

# Install the alternatives, each in an environment of its own, and compare with them: make bench BENCH="training --rows 0"
bench: .venv-bench/charlstm/installed
	TORCH="$(TORCH)" .venv-bench/charlstm/bin/python benchmarks/bench.py install
	.venv-bench/charlstm/bin/python benchmarks/bench.py $(BENCH)

# Train three minutes on a text and report the losses: make quality FILE=corpus.txt
quality: .venv/installed
	$(BIN)/charlstm train $(FILE) --time 3m -m quality.npz --log quality.jsonl --force

# Write docs/gallery.md: the views of two models; it trains the second one if it is missing.
gallery: .venv/installed
	$(BIN)/python docs/make_gallery.py gallery

clean:
	rm -rf .venv .venv-bench build gallery charlstm.egg-info rooms.npz rooms.npz.resume rooms.html quality.npz quality.npz.resume quality.jsonl data/rondels data/rondels-validation data/rondels-titles.txt

.venv/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/installed-%: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

.venv-bench/charlstm/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv-bench/charlstm
	.venv-bench/charlstm/bin/pip install --quiet --disable-pip-version-check --editable .
	@touch $@
