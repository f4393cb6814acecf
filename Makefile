# Everything runs in .venv, which the first target that needs it creates.
PYTHON ?= python3
BIN := .venv/bin

# The recipe that learns the stories of data/rooms.txt; README.md tells how it came about.
DEMO_OPTIONS := --lines --hidden 192 --dropout 0.1 --weight-dropout 0 --weight-decay 0 --lr 0.005 --hold 0 --epochs 21 --curriculum 7

# What `make bench` measures beside: any build of torch for the CPU.
TORCH ?= torch

.PHONY: demo test test-demo lint docs sentences bench quality gallery clean

demo: .venv/installed
	@echo "A network reads short stories, and learns who is in the room."
	$(BIN)/charlstm train data/rooms.txt $(DEMO_OPTIONS) -m rooms.npz --force
	@echo; echo "The article's seed, then its two stories, which are not in the corpus:"
	$(BIN)/charlstm sample -m rooms.npz --seed "mady said hi to"
	$(BIN)/charlstm sample -m rooms.npz --seed "mady walks in to the room, monica also walks in to the room. mady said hi to"
	$(BIN)/charlstm sample -m rooms.npz --seed "mady and monica walk in to the room together, later richard walks in to the room. mady said hi to"
	@echo; echo "Whole stories of its own:"
	$(BIN)/charlstm sample -m rooms.npz --seed '' --length 600
	@echo; echo "What the gates did at every character:"
	$(BIN)/charlstm inspect -m rooms.npz "monica walks in. mady said hi to monica."
	@echo; echo "Stories whose casts are not in the corpus, answered letter by letter:"
	$(BIN)/python data/name_kinds.py | $(BIN)/charlstm inspect -m rooms.npz --cloze -

test: .venv/installed-test
	$(BIN)/python -m pytest

# What the demo's model has learnt, over all stories that it has not read: after `make demo`.
test-demo: .venv/installed-test
	$(BIN)/python -m pytest tests/learnt_rooms.py

lint: .venv/installed-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/installed
	$(BIN)/python docs/make_options.py

# Every text that a user can see, to be read aloud.
sentences: .venv/installed
	$(BIN)/python docs/list_sentences.py

bench: .venv-bench/installed
	.venv-bench/bin/python benchmarks/bench.py

# How well three minutes teach a text of yours: make quality FILE=corpus.txt
quality: .venv/installed
	$(BIN)/charlstm train $(FILE) --time 3m -m quality.npz --log quality.jsonl --force

# Views of two models, with what was found in them: docs/gallery.md
gallery: .venv/installed
	$(BIN)/python docs/make_gallery.py gallery

clean:
	rm -rf .venv .venv-bench build gallery charlstm.egg-info rooms.npz rooms.resume.npz quality.npz quality.resume.npz quality.jsonl

.venv/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/installed-%: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

.venv-bench/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install --quiet --disable-pip-version-check --editable . $(TORCH)
	@touch $@
