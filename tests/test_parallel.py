"""Sharing the work changes nothing but the order of a sum, and no process outlives the others."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared_work import KINDS, ROWS, STEPS, prepared, run

from charlstm.base.errors import TrainingError
from charlstm.training.exchange import Requests
from charlstm.training.processes import Processes, count_cores, start_processes
from charlstm.training.team import Serial
from charlstm.training.trainer import largest_sum, train

HERE = Path(__file__).parent
MPIRUN = shutil.which("mpirun", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
every_kind_of_run = pytest.mark.parametrize("kind", KINDS)


def run_in_processes(size, kind):
    """`run`, shared among processes."""
    with start_processes(size, 1 << 20, lambda team: [run(team, kind)]) as team:
        return run(team, kind)


def under_mpi(size, *command, cwd=None):
    """Run a command in the ranks of a real mpirun; one that hangs is ended."""
    return subprocess.run([MPIRUN, "-n", str(size), *command], cwd=cwd, capture_output=True, text=True, timeout=120)


def run_under_mpi(size, kind):
    """`run`, shared among ranks."""
    done = under_mpi(size, sys.executable, HERE / "mpi_run.py", kind)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["size"] == size
    return told["losses"], told["weights"]


@given(rows=st.integers(0, 300), size=st.integers(1, 20))
def test_every_row_is_one_process_s_own_and_the_shares_are_even(rows, size):
    memory = np.zeros((2, size, 0), np.uint8)
    shares = [Processes(rank, memory, []).share(rows) for rank in range(size)]
    assert [row for share in shares for row in range(rows)[share]] == list(range(rows))
    lengths = [share.stop - share.start for share in shares]
    assert max(lengths) - min(lengths) <= 1


@every_kind_of_run
@pytest.mark.parametrize("size", [2, 3])
def test_processes_learn_what_one_learns(kind, size):
    losses, weights = run(Serial(), kind)
    shared_losses, shared_weights = run_in_processes(size, kind)
    assert len(shared_losses) == STEPS
    np.testing.assert_allclose(shared_losses, losses, rtol=0, atol=1e-5)
    np.testing.assert_allclose(shared_weights.flat, weights.flat, rtol=0, atol=1e-5)
    again, weights_again = run_in_processes(size, kind)
    assert again == shared_losses and weights_again.flat.tobytes() == shared_weights.flat.tobytes()


@pytest.mark.skipif(MPIRUN is None, reason="no mpirun on this machine")
@every_kind_of_run
@pytest.mark.parametrize("size", [1, 2, 3])
def test_ranks_of_mpi_learn_what_one_learns(kind, size):
    losses, weights = run(Serial(), kind)
    shared_losses, shared_weights = run_under_mpi(size, kind)
    np.testing.assert_allclose(shared_losses, losses, rtol=0, atol=1e-5)
    if size == 1:
        assert shared_weights == weights.flat.tobytes().hex()
    else:
        assert (shared_losses, shared_weights) == run_under_mpi(size, kind)


@pytest.mark.skipif(MPIRUN is None, reason="no mpirun on this machine")
def test_a_rank_that_fails_ends_the_others_that_wait_for_it():
    done = under_mpi(2, sys.executable, HERE / "mpi_run.py", "broken")
    assert done.returncode != 0 and "this rank is broken" in done.stderr


def test_sums_follow_one_another_though_some_processes_are_slow():
    def job(team):
        rng = np.random.default_rng(team.rank)
        for turn in range(50):
            vector = rng.standard_normal(1000)
            if turn % 10 == team.rank:
                time.sleep(0.002)
            team.all_reduce(vector)
            yield vector

    with start_processes(3, 8000, job) as team:
        mine = list(job(team))
    rngs = [np.random.default_rng(rank) for rank in range(3)]
    for vector in mine:
        wanted = rngs[0].standard_normal(1000)
        for rng in rngs[1:]:
            wanted = wanted + rng.standard_normal(1000)
        np.testing.assert_array_equal(vector, wanted)


def test_one_that_wants_to_stop_stops_all():
    it, batches, held_out, config = prepared("streams")

    def job(team):
        return train(it, batches, held_out, config, team, lambda done: Requests(stop=team.rank == 1 and done == 6))

    with start_processes(2, largest_sum(it, ROWS), job) as team:
        assert [progress.step for progress in job(team)][-1] == 7


def test_weights_that_differ_are_noticed():
    it, batches, held_out, config = prepared("streams")

    def job(team):
        for progress in train(it, batches, held_out, config, team):
            if team.rank == 1 and progress.step == 42:
                it.parameters.flat[7] += 1e-9
            yield progress

    with (
        pytest.raises(TrainingError, match="no longer have the same weights"),
        start_processes(3, largest_sum(it, ROWS), job) as team,
    ):
        assert all(progress.step < 60 for progress in job(team))


@pytest.mark.parametrize("rank", [1, 2])
def test_a_process_that_dies_ends_the_run_and_leaves_nothing(rank):
    it, batches, held_out, config = prepared("streams")
    files, segments = (set(Path(folder).iterdir()) for folder in ("/proc/self/fd", "/dev/shm"))

    def job(team):
        for progress in train(it, batches, held_out, config, team):
            if team.rank == rank and progress.step == 5:
                os.kill(os.getpid(), signal.SIGKILL)
            yield progress

    with (
        pytest.raises(TrainingError, match=f"worker {rank + 1} of 3 ended unexpectedly"),
        start_processes(3, largest_sum(it, ROWS), job) as team,
    ):
        assert all(progress.step < 7 for progress in job(team))
    assert multiprocessing.active_children() == []
    assert set(Path("/proc/self/fd").iterdir()) == files and set(Path("/dev/shm").iterdir()) == segments


def test_cores_are_counted():
    assert 1 <= count_cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("usable", "quota", "wanted"),
    [
        ({0, 1, 2, 3, 4, 5, 6, 7}, None, 4),
        ({0, 1, 2, 3, 4, 5, 6, 7}, "max 100000", 4),
        ({0, 1, 4, 5}, None, 2),  # both threads of two cores
        ({0, 1, 2, 3}, "250000 100000", 2),
        ({0, 1, 2, 3}, "50000 100000", 1),
        ({0, 1, 2, 3}, "900000 100000", 4),
    ],
)
def test_physical_cores_count_that_this_process_may_use(monkeypatch, usable, quota, wanted):
    siblings = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    files = {siblings.format(k): f"{k % 4},{k % 4 + 4}\n" for k in range(8)}
    files |= {"/sys/fs/cgroup/cpu.max": f"{quota}\n"} if quota else {}

    def read(path, encoding):
        if str(path) not in files:
            raise FileNotFoundError(path)
        return files[str(path)]

    monkeypatch.setattr(Path, "read_text", read)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: usable, raising=False)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert count_cores() == wanted


# The command


def trained(folder, *arguments, **settings):
    """Start `charlstm train` on a small text, in a process group of its own."""
    (folder / "corpus.txt").write_text("the cat sat on the mat.\n" * 200)
    command = [sys.executable, "-m", "charlstm", "train", "corpus.txt", "--hidden", "16", *arguments]
    return subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True, **settings
    )  # fmt: skip


def children_of(process, count):
    """Wait until a process has a number of children; return their process ids."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    for _ in range(1000):
        found = [int(number) for number in listed.read_text().split()]
        if len(found) == count:
            return found
        time.sleep(0.01)
    raise AssertionError("the workers did not start")


def gone(number):
    """Say whether a process has ended, within some seconds."""
    for _ in range(1000):
        try:
            if Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


def test_the_command_shares_the_work_and_says_so(tmp_path):
    for workers, said in (("1", "1 process\n"), ("2", "2 processes\n")):
        with trained(tmp_path, "--steps", "50", "--workers", workers, "-m", f"{workers}.npz") as process:
            assert f"work      {said}" in process.stderr.read()
        assert process.returncode == 0
    one, two = (np.load(tmp_path / name) for name in ("1.npz", "2.npz"))
    np.testing.assert_allclose(one["layer0/W"], two["layer0/W"], atol=1e-3)
    np.testing.assert_allclose(one["history/validation_loss"], two["history/validation_loss"], atol=1e-3)


def test_a_worker_that_dies_is_one_sentence_and_the_last_save_stays(tmp_path):
    with trained(tmp_path, "--steps", "2000000", "--workers", "3", "--val-fraction", "0") as process:
        (first, second) = children_of(process, 2)
        time.sleep(0.3)
        os.kill(second, signal.SIGKILL)
        said = process.stderr.read()
    assert process.returncode == 1
    assert re.search(r"\nError: worker 3 of 3 ended unexpectedly; [^\n]+\.\n$", said) and "Traceback" not in said
    assert gone(first) and gone(second)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_all_processes_saves_and_leaves_none_behind(tmp_path, number, code):
    with trained(tmp_path, "--steps", "2000000", "--workers", "2") as process:
        (child,) = children_of(process, 1)
        time.sleep(0.3)
        os.killpg(process.pid, number)
        said = process.stderr.read()
    assert process.returncode == code and "stopped at step" in said and "Traceback" not in said
    assert (tmp_path / "charlstm.npz").exists() and gone(child)


def test_workers_end_when_the_first_process_is_killed(tmp_path):
    with trained(tmp_path, "--steps", "2000000", "--workers", "3") as process:
        children = children_of(process, 2)
        time.sleep(0.3)
        process.kill()
    assert all(gone(child) for child in children)


def test_where_no_process_can_be_started_one_does_all(tmp_path):
    forbid = "import os\ndef fork(): raise OSError(11, 'Resource temporarily unavailable')\nos.fork = fork"
    code = f"{forbid}\nfrom charlstm.__main__ import main\nmain()"
    (tmp_path / "corpus.txt").write_text("the cat sat on the mat.\n" * 200)
    done = subprocess.run(
        [sys.executable, "-c", code, "train", "corpus.txt", "--hidden", "8", "--steps", "20", "--workers", "2"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "no other process could be started" in done.stderr and "work      1 process\n" in done.stderr


def test_mpi_without_its_library_names_the_extra(tmp_path):
    (tmp_path / "mpi4py.py").write_text("raise ImportError('No module named mpi4py')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    with trained(tmp_path, "--mpi", env=os.environ | {"PYTHONPATH": path}) as process:
        said = process.stderr.read()
    assert process.returncode == 2
    assert re.fullmatch(r"Error: training under MPI needs mpi4py [^\n]*charlstm\[mpi\][^\n]*\.\n", said)


@pytest.mark.skipif(MPIRUN is None, reason="no mpirun on this machine")
def test_under_mpi_one_rank_writes_and_speaks(tmp_path):
    (tmp_path / "corpus.txt").write_text("the cat sat on the mat.\n" * 200)
    command = [sys.executable, "-m", "charlstm", "train", "--mpi", "--hidden", "16", "--steps", "50"]
    done = under_mpi(2, *command, "corpus.txt", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for said in ("read      corpus.txt", "work      2 processes", "wrote     charlstm.npz", "step 50/50"):
        assert done.stderr.count(said) == 1
    with trained(tmp_path, "--steps", "50", "--workers", "2", "-m", "workers.npz") as process:
        process.stderr.read()
    one, two = (np.load(tmp_path / name) for name in ("charlstm.npz", "workers.npz"))
    np.testing.assert_allclose(one["layer0/W"], two["layer0/W"], atol=1e-3)
    missing = under_mpi(2, *command, "nothing.txt", "-m", "x.npz", cwd=tmp_path)
    assert missing.returncode != 0 and missing.stderr.count("Error: cannot read nothing.txt") == 1
