"""Folders, compressed files, pipes and tables give the texts that are in them, or one sentence.

The standard library writes what is read here: gzip, bz2, lzma, csv and json.
"""

from __future__ import annotations

import bz2
import csv
import gc
import gzip
import io
import json
import lzma
import os
import random
import re
import stat
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from itertools import groupby, pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from small import model as small_model
from small import network

import charlstm
from charlstm.base.errors import CharlstmError, ConfigError, CorpusError
from charlstm.base.inputs import Input
from charlstm.base.symbols import END
from charlstm.cli.main import main
from charlstm.model import checkpoint
from charlstm.text import compression, corpus, decoding, sources, tables
from charlstm.text.documents import FILE, LINE, ROW, Documents
from charlstm.text.sources import Sources

TRAIN = ("--steps", "1", "--hidden", "3", "--batch-size", "2", "--seq-len", "8", "--quiet")
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
every_format = pytest.mark.parametrize("form", COMPRESS)
characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff")
texts = st.text(characters | st.sampled_from(',;\t"\n\r |'), max_size=30)
PNG = b"\x89PNG\r\n\x1a\n\0\0"


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files below a folder, by their paths."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def read(*paths: str | Path, **settings: str) -> list[tuple[int, int, str, str]]:
    """Return all documents, each in one piece: file, number, text, label."""
    blocks = Sources(paths, **settings).read()
    return [
        (*of, "".join(block.text for block in several), label)
        for (*of, label), several in groupby(blocks, lambda block: (block.file, block.document, block.label))
    ]


def read_texts(*paths: str | Path, **settings: str) -> list[str]:
    return [text for _, _, text, _ in read(*paths, **settings)]


def newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def invoke(*words: object) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, [*map(str, words)], input="")


def is_one_sentence(done: Result) -> bool:
    """Return whether a command failed with one sentence."""
    return done.exit_code in (1, 2) and bool(re.fullmatch(r"(Usage[^\n]*\n[^\n]*\n\n)?Error: [^\n]+\n", done.output))


def run(*words: str, piped: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a process of its own, with bytes on its standard input."""
    command = [sys.executable, "-m", "charlstm", *words]
    done = subprocess.run(command, input=piped, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# Folders


NAMES = ["B.txt", "a.txt", "a/z", "a/b/c.txt", "ab", "é.txt", "z", "10", "9", "Z.md", "a b", "ı", "İ", "\U0001f388"]


@given(order=st.permutations(NAMES))
def test_the_files_of_a_folder_are_read_in_the_order_of_their_names(
    tmp_path_factory: pytest.TempPathFactory, order: list[str]
) -> None:
    names = sorted(order, key=lambda name: [[ord(character) for character in part] for part in name.split("/")])
    files = {name: f"{name} has text {number}".encode() for number, name in enumerate(NAMES)}
    folder = write(tmp_path_factory.mktemp("folder"), {name: files[name] for name in order})
    found = Sources([folder])
    assert [str(Path(file.input).relative_to(folder)) for file in found.files] == names
    assert [file.name for file in found.files] == [f"{folder.name}/{name}" for name in names]
    assert [block.text for block in found.read()] == [files[name].decode() for name in names]
    assert list(found.read()) == list(found.read())


def test_what_is_no_text_is_left_out_of_a_folder_with_one_remark(folder: Path) -> None:
    write(folder / "poems", {"one.txt": b"abc\n", "two": b"", "latin.txt": b"def", ".git/x": b"hidden"})
    write(folder / "poems", {".hidden": b"hidden", "image.png": PNG, "program": b"ab\0\xff", "a/old.zip": b"PK\3\4..."})
    checkpoint.save(small_model(network("gru", np.float32), "\n abc"), folder / "poems/charlstm.npz")
    os.mkfifo("poems/pipe")
    Path("poems/nowhere").symlink_to("no such file")
    Path("poems/loop").symlink_to("loop")
    Path("poems/a/up").symlink_to("..")
    Path("poems/link.txt").symlink_to("../outside.txt")
    Path("outside.txt").write_text("outside")
    Path("poems/.charlstm.npz.lock").touch()
    found = corpus.read(["poems"])
    assert found.vocabulary.decode(found.ids) == "def\noutside\nabc\n"
    assert found.remarks == ("poems/.git, poems/.hidden and 8 other files: left out, because hidden or no text",)
    assert found.facts.files == ("poems/ (4 files)",)
    assert found.file_starts.tolist() == [0, 4, 12, 16] and found.files_of_last == 4


def test_a_folder_without_texts_is_one_sentence(folder: Path) -> None:
    write(folder, {"left/.x": b"abc", "left/image": PNG, "poems/a.txt": b"abcabc"})
    Path("empty").mkdir()
    checkpoint.save(small_model(network("gru", np.float32), "\n abc"), Path("m.npz"))
    for name, said in (("empty", "the folder empty has no text file;"), ("left", "only 2 hidden or of another kind")):
        for words in (
            ("train", name, *TRAIN),
            ("train", "poems", "--val", name, *TRAIN),
            ("sample", "-m", "m.npz", "--novelty", name),
            ("inspect", "-m", "m.npz", "--score", "--file", name),
        ):
            done = invoke(*words)
            assert is_one_sentence(done) and said in done.output, (words, done.output)
        done = invoke("train", name, "--field", "joke", *TRAIN)
        assert is_one_sentence(done) and "has no .csv, .tsv or .jsonl file" in done.output


def test_a_folder_is_read_through_a_link_and_from_inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, {"poems/a.txt": b"abc", "poems/b/-": b"def", "poems/-": b"ghi"})
    Path("link").symlink_to("poems")
    assert read_texts("poems") == read_texts("link") == read_texts("poems/../link/") == ["ghi", "abc", "def"]
    assert Sources(["link"]).names() == ("link/ (3 files)",)
    monkeypatch.chdir("poems")
    assert read_texts(".") == ["ghi", "abc", "def"] and Sources(["."]).names() == ("poems/ (3 files)",)
    monkeypatch.chdir("b")
    assert Sources([".."]).names() == ("poems/ (3 files)",) and Sources([".."]).files[0].name == "poems/-"


def test_what_cannot_be_read_in_a_folder_is_an_error_that_names_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, {"poems/a.txt": b"abc", "poems/b/locked.txt": b"def", "poems/c.txt": b"\xe9t\xe9"})
    with pytest.raises(CorpusError, match=r"poems/c.txt is not utf-8 text.*encoding"):
        read("poems")
    assert read_texts("poems", encoding="latin-1") == ["abc", "def", "été"]
    Path("poems/c.txt").unlink()
    whole = Path.open

    def refuse(path: Path, *arguments: str) -> object:
        if path.name == "locked.txt":
            raise PermissionError(13, "Permission denied")
        return whole(path, *arguments)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(CorpusError, match=r"^cannot read poems/b/locked.txt: Permission denied$"):
        corpus.read(["poems"])
    listed = os.scandir

    def refuse_folder(path: Path) -> object:
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuse_folder)
    with pytest.raises(CorpusError, match=r"^cannot read the folder poems/b: Permission denied$"):
        corpus.read(["poems"])


def test_names_that_are_no_text_are_names(folder: Path) -> None:
    names = (b"\xff.txt", b"\xfe/a.txt", b"a\n.txt")
    write(folder, {f"poems/{os.fsdecode(name)}": b"abc abc abc\n" * 9 for name in names})
    (folder / "poems" / os.fsdecode(b".\xff")).touch()
    done = invoke("train", "poems", "-m", "m.npz", *TRAIN[:-1])
    assert done.exit_code == 0, done.output
    assert checkpoint.load("m.npz").facts.files == ("poems/ (3 files)",)
    done = invoke("train", os.fsdecode(os.fsencode(folder) + b"/poems/\xfe"), "-m", "n.npz", *TRAIN)
    assert done.exit_code == 0, done.output
    assert checkpoint.load("n.npz").facts.files == ("\udcfe/ (1 file)",)


def test_thousands_of_small_files_cost_a_little_each(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file is opened three times, and needs little memory beside its text."""
    opened: list[str] = []
    whole = Input.open

    def count(source: Input, start: bytes = b"") -> BinaryIO:
        opened.append(str(source.path))
        return whole(source, start)

    monkeypatch.setattr(Input, "open", count)
    write(folder, {f"all/{k % 7}/{k}.txt": f"text {k}\n".encode() for k in range(5000)})
    found = corpus.read(["all"])
    assert len(opened) == 15_000 and len(set(opened)) == len(found.file_starts) == found.facts.lines == 5000
    assert sorted(found.vocabulary.decode(found.ids).split("\n")[:-1]) == sorted(f"text {k}" for k in range(5000))
    peaks: dict[int, list[int]] = {1: [], 3: []}
    for number in 3 * [1, 3]:
        gc.collect()
        tracemalloc.start()
        corpus.read([f"all/{k}" for k in range(number)])
        peaks[number].append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert min(peaks[3]) - min(peaks[1]) < 1500 * 2048  # the lowest: garbage of earlier tests may stay for a while


def test_where_files_begin_is_known_in_one_pass(folder: Path) -> None:
    sizes = random.Random(2).choices(range(3), k=300)
    write(folder / "some", {f"{k:04}.txt": b"ab"[:size] for k, size in enumerate(sizes)})
    found = corpus.read(["some"])
    text = found.vocabulary.decode(found.ids)
    assert text == "\n".join("ab"[:size] for size in sizes if size)
    full = [int(start) for start, size in zip(found.file_starts, sizes, strict=True) if size]
    assert all(k == 0 or text[k - 1] == "\n" for k in full) and len(set(full)) == sum(map(bool, sizes))
    assert (np.diff(found.file_starts) >= 0).all()


# Compressed files


@given(
    text=texts,
    form=st.sampled_from([*COMPRESS]),
    block=st.integers(1, 40),
    cuts=st.lists(st.integers(0, 99), max_size=3),
)
def test_a_compressed_text_is_read_as_the_text_itself(
    tmp_path_factory: pytest.TempPathFactory, text: str, form: str, block: int, cuts: list[int]
) -> None:
    data = text.encode()
    ends = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    streams = [COMPRESS[form](data[a:b]) for a, b in pairwise(ends)] or [COMPRESS[form](b"")]
    folder = tmp_path_factory.mktemp("compressed")
    write(folder, {"plain.txt": data, "packed.txt": b"".join(streams) + b"\0" * 4 * len(cuts)})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(decoding, "BLOCK", block)
        patched.setattr(compression, "BLOCK", block)
        assert "".join(read_texts(folder / "packed.txt")) == "".join(read_texts(folder / "plain.txt")) == newlines(text)
        assert decoding.read_text(folder / "packed.txt") == newlines(text)


@every_format
@pytest.mark.parametrize("block", [7, 1 << 20])
def test_the_start_and_the_encoding_of_a_compressed_text_count_as_those_of_a_text(
    folder: Path, form: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compression, "BLOCK", block)
    for encoding, text in (("utf-16", "the king"), ("latin-1", "été"), ("utf-8", "\ufeffone\r\ntwo")):
        write(folder, {"a": COMPRESS[form](text.encode(encoding))})
        assert read_texts("a", encoding=encoding) == [newlines(text).removeprefix("\ufeff")]
    assert [change for change in corpus.read(["a"]).remarks if "byte order" in change or "CRLF" in change]
    for content, said in (
        (b"PK\3\4...", "zip archive"),
        (b"x.txt" + b"\0" * 252 + b"ustar" + b"\0" * 250, "tar archive"),
        (COMPRESS["gzip"](b"abc"), "compressed twice"),
        (COMPRESS["xz"](b"abc"), "compressed twice"),
        ("the king".encode("utf-16"), "UTF-16"),
    ):
        write(folder, {"a": COMPRESS[form](content)})
        with pytest.raises(CorpusError, match=rf"^a is [^\n]*{said}[^\n]*; [^\n]+$"):
            read("a")


@given(form=st.sampled_from([*COMPRESS]), data=st.data(), seed=st.integers(0, 9))
def test_a_damaged_archive_never_gives_another_text(
    tmp_path_factory: pytest.TempPathFactory, form: str, data: st.DataObject, seed: int
) -> None:
    text = "".join(random.Random(seed).choices("abc \n", k=500))
    packed = COMPRESS[form](text.encode())
    path = tmp_path_factory.mktemp("damaged") / "a.txt"
    cut = data.draw(st.integers(10, len(packed) - 1))
    path.write_bytes(packed[:cut])
    with pytest.raises(CorpusError, match=r"a.txt is a[n]? \w+ archive that is (cut off|damaged): [^\n]+; [^\n]+$"):
        read(path)
    changed = bytearray(packed)
    changed[cut] ^= data.draw(st.integers(1, 255))
    path.write_bytes(changed)
    try:
        assert read_texts(path) == [text]
    except CorpusError as error:
        assert "damaged" in str(error) or "cut off" in str(error) or "other data after its end" in str(error)


@every_format
def test_an_archive_with_a_wrong_checksum_is_damaged(folder: Path, form: str) -> None:
    packed = bytearray(COMPRESS[form](b"abc" * 1000))
    place = {"gzip": len(packed) - 8, "bzip2": 10, "xz": len(packed) - 37}[form]
    packed[place] ^= 1
    write(folder, {"a": bytes(packed), "b": COMPRESS[form](b"abc") + b"garbage"})
    for words in (("train", "a", *TRAIN), ("train", "b", *TRAIN)):
        done = invoke(*words)
        assert is_one_sentence(done) and "undamaged copy" in done.output, done.output


@every_format
def test_an_archive_made_to_fill_the_memory_ends_with_a_sentence(
    folder: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, {"bomb": COMPRESS[form](b"a" * (1 << 25)), "text": COMPRESS[form](bytes(range(32, 127)) * 9)})
    monkeypatch.setattr(compression, "FREE_TEXT", 1 << 22)
    tracemalloc.start()
    with pytest.raises(CorpusError, match=r"bomb is a .* of [\d,]+ bytes with more than 4,\d+,\d+ bytes of content"):
        corpus.read(["bomb"])
    assert tracemalloc.get_traced_memory()[1] < 1 << 25
    tracemalloc.stop()
    monkeypatch.setattr(compression, "FREE_TEXT", 1 << 30)
    monkeypatch.setattr(compression, "LARGEST_TEXT", 1 << 21)
    with pytest.raises(CorpusError, match="too much for a text"):
        corpus.read(["bomb"])
    assert read_texts("text") == ["".join(map(chr, range(32, 127))) * 9]


@every_format
def test_a_compressed_text_comes_through_pipes(folder: Path, form: str) -> None:
    packed = COMPRESS[form](b"abc cab bca\n" * 30)
    write(folder, {"a.txt": b"abc cab bca\n" * 30})
    digests = set()
    for source, piped in (("a.txt", b""), ("-", packed), ("/dev/stdin", packed)):
        run("train", source, "-m", "m.npz", "--force", *TRAIN, piped=piped)
        digests.add(checkpoint.load("m.npz").digest)
    assert len(digests) == 1
    scores = set()
    for words, piped in ((("-",), packed), (("--file", "a.txt"), b""), (("--file", "-"), packed)):
        done = run("inspect", "-m", "m.npz", "--score", "--format", "csv", *words, piped=piped)
        scores.add(re.sub(rb"standard input|a\.txt", b"", done.stdout))
    assert len(scores) == 1 and b"," in scores.pop()


# Tables


DIALECTS = {"csv": ",", "tsv": "\t"}
NAMES_OF_FIELDS = st.lists(
    st.text(characters | st.sampled_from(',"\n'), min_size=1).map(lambda name: newlines(name).strip()),
    min_size=2,
    max_size=5,
    unique=True,
).filter(lambda names: all(names))


def dump(kind: str, rows: list[dict[str, str]], end: str, ascii_only: bool = False) -> str:
    """Return a table as the standard library writes it."""
    if kind == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=ascii_only) + end for row in rows)
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, [*rows[0]], delimiter=DIALECTS[kind], lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


@given(
    names=NAMES_OF_FIELDS,
    kind=st.sampled_from(["csv", "tsv", "jsonl"]),
    form=st.sampled_from(["", *COMPRESS]),
    end=st.sampled_from(["\n", "\r\n"]),
    block=st.integers(1, 60),
    data=st.data(),
)
def test_the_field_of_a_table_is_what_was_written_into_it(
    tmp_path_factory: pytest.TempPathFactory,
    names: list[str],
    kind: str,
    form: str,
    end: str,
    block: int,
    data: st.DataObject,
) -> None:
    rows = data.draw(st.lists(st.fixed_dictionaries(dict.fromkeys(names, texts)), min_size=1, max_size=6))
    content = dump(kind, rows, end, data.draw(st.booleans())).encode()
    suffix = {"": "", "gzip": ".gz", "bzip2": ".BZ2", "xz": ".xz"}[form]
    path = tmp_path_factory.mktemp("table") / f"t.{kind}{suffix}"
    path.write_bytes(COMPRESS[form](content) if form else content)
    text, label = data.draw(st.permutations(names))[:2]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(decoding, "BLOCK", block)
        patched.setattr(sources, "BLOCK", data.draw(st.integers(1, 9)))
        found = read(path, field=text, label=f"field:{label}")
    assert found == [(0, number, newlines(row[text]), row[label]) for number, row in enumerate(rows) if row[text]]
    skipped = sum(not row[text] for row in rows)
    table = Sources([path], field=text)
    for _ in range(2):
        list(table.read())
    remarks = table.remarks.list()
    assert [remark for remark in remarks if "skipped" in remark] == [
        f"{path}: skipped rows without a text in the field {text!r}: {skipped}"
    ] * bool(skipped)
    assert any("CRLF" in remark for remark in remarks) == any("\r" in row[text] for row in rows)


def test_rows_without_the_field_and_blank_lines_are_no_documents(folder: Path) -> None:
    write(folder, {"a.csv": b"\n\xef\xbb\xbf"[1:] + b"id, joke \r\n1,one\r\n\r\n2\r\n3,\r\n4,two,,\r\n"})
    assert read("a.csv", field="joke") == [(0, 0, "one", ""), (0, 3, "two", "")]
    lines = ['{"joke": "one"}', "", "{}", '{"joke": null}', ' {"joke": 1.50, "id": {}} ', '{"joke": true}']
    write(folder, {"a.jsonl": "\n".join(lines).encode()})
    assert read("a.jsonl", field="joke") == [(0, 0, "one", ""), (0, 3, "1.50", ""), (0, 4, "true", "")]
    found = corpus.read(["a.csv", "a.jsonl"], field="joke")
    assert found.vocabulary.decode(found.ids) == "one\ntwo\none\n1.50\ntrue"
    assert found.remarks == ("a.csv and a.jsonl: skipped rows without a text in the field 'joke': 4",)
    assert found.file_starts.tolist() == [0, 8]


@pytest.mark.parametrize("written", ["12345678901234567890.12345678901234567890", "1E+05", "-0", "9" * 5000, "NaN"])
def test_numbers_of_json_stay_as_they_are_written(folder: Path, written: str) -> None:
    write(folder, {"a.jsonl": f'{{"n": {written}}}'.encode()})
    assert read_texts("a.jsonl", field="n") == [written]


def test_huge_fields_are_read_whole_and_leave_no_trace(folder: Path) -> None:
    before = csv.field_size_limit(1000)
    text = 'a,"b"\n' * 500_000
    rows = [{"id": "1", "joke": text}, {"id": "2", "joke": "short"}]
    for kind in ("csv", "tsv", "jsonl"):
        write(folder, {f"a.{kind}": dump(kind, rows, "\r\n").encode()})
        assert read_texts(f"a.{kind}", field="joke") == [text, "short"]
        assert len(list(Sources([f"a.{kind}"], field="joke").read())) > 2
    assert csv.field_size_limit(before) == 1000


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "id,joke\n1,x\n", "a.csv has no field 'jokes'; its fields are 'id', 'joke'; did you mean joke?"),
        ("a.tsv", "id\tjoke\n1\tx\n", "a.tsv has no field 'jokes'; its fields are 'id', 'joke'; did you mean joke?"),
        ("a.jsonl", '{"joke": "x"}\n{"id": 2}', "a.jsonl has no field 'jokes'; its fields are 'joke', 'id'; did you"),
        ("a.csv", ",".join(f"f{k}" for k in range(50)), "'f18', 'f19' and 30 more"),
        ("a.csv", "jokes,id,jokes\n1,2,3\n", "a.csv has 2 fields with the name 'jokes'"),
        ("a.csv", "", "a.csv is empty; its first row must name its fields"),
        (
            "a.csv",
            'jokes\nx\n"y\nz\n',
            "line 3 of a.csv cannot be read: a double quote opens a field and no",
        ),
        ("a.csv", 'jokes,id\nx,1\n"y" z,2\n', "the row in line 3 of a.csv cannot be read: "),
        ("a.csv", 'id,jokes\n1,"a\nb"\n2,x, y\n', "the row in line 4 of a.csv has 3 fields, and its first row names 2"),
        (
            "a.jsonl",
            '{"jokes": 1}\n\n{"jokes": }\n',
            "line 3 of a.jsonl is not valid JSON: Expecting value",
        ),
        ("a.jsonl", '{"jokes": 1}\n["jokes"]\n', "line 2 of a.jsonl is not a JSON object"),
        ("a.ndjson", '{"jokes": {"a": 1}}\n', "the field 'jokes' in line 1 of a.ndjson is an object"),
        ("a.jsonl", '{"jokes": ["a"]}\n', "the field 'jokes' in line 1 of a.jsonl is a list"),
        ("a.jsonl", '{"jokes": "a\\ud800"}\n', "the field 'jokes' in line 1 of a.jsonl has a surrogate, U+D800"),
        ("a.jsonl", "[" * 100_000, "line 1 of a.jsonl has too many levels of brackets"),
        ("a.txt", "jokes\nx\n", "the name of a.txt is not that of a table"),
        ("a.csv.txt", "jokes\nx\n", "the name of a.csv.txt is not that of a table"),
    ],
)
def test_a_table_that_cannot_be_read_is_one_sentence(folder: Path, name: str, content: str, said: str) -> None:
    write(folder, {name: content.encode()})
    for packed in (False, True):
        if packed:
            write(folder, {name: gzip.compress(content.encode())})
        done = invoke("train", name, "--field", "jokes", *TRAIN)
        assert is_one_sentence(done) and said in done.output, done.output


def test_lines_and_fields_without_end_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LONGEST", 1000)
    monkeypatch.setattr(decoding, "BLOCK", 100)
    write(folder, {"a.csv": b'id,joke\n1,"' + b"abc\n" * 300, "a.jsonl": b'{"joke": 1}\n{"joke": "' + b"a" * 1000})
    with pytest.raises(CorpusError, match=r"line 2 of a.csv cannot be read: field larger than field limit"):
        read("a.csv", field="joke")
    with pytest.raises(CorpusError, match=r"line 2 of a.jsonl has more than 1,000 characters"):
        read("a.jsonl", field="joke")


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_a_table_from_a_pipe_is_recognised_by_its_first_line(folder: Path, kind: str) -> None:
    rows = [{"id": str(k), "joke": f"joke {k}, as\nabc\tcab"} for k in range(30)]
    content = dump(kind, rows, "\n").encode()
    write(folder, {f"a.{kind}": content})
    digests = set()
    for source, piped in ((f"a.{kind}", b""), ("-", content), ("-", gzip.compress(content))):
        run("train", source, "--field", "joke", "-m", "m.npz", "--force", *TRAIN, piped=piped)
        digests.add(checkpoint.load("m.npz").digest)
    assert len(digests) == 1
    shown = run("inspect", "-m", "m.npz", "-", "--view", "score", "--field", "joke", piped=content).stdout
    assert f" {sum(len(row['joke']) + 1 for row in rows)} ".encode() in shown


# Labels


def test_labels_are_folders_files_or_fields(folder: Path) -> None:
    write(folder, {"poems/austen/emma.txt": b"a", "poems/austen/early/love.txt.gz": gzip.compress(b"b")})
    write(folder, {"poems/odd.tar.txt": b"c", "alone.txt": b"d"})
    given = ("poems", "alone.txt", folder / "poems" / "austen")

    def labels(label: str) -> list[str]:
        return [label for *_, label in read(*given, label=label)]

    assert read_texts(*given) == ["b", "a", "c", "d", "b", "a"]
    assert labels("folder") == ["austen/early", "austen", "poems", folder.name, "early", "austen"]
    assert labels("file") == ["austen/early/love", "austen/emma", "odd.tar", "alone", "early/love", "emma"]
    assert labels("") == [""] * 6
    no_label = "folder, file or field:"
    for label, said in (
        ("colour", no_label),
        ("field:", no_label),
        ("field:x", "give field as well"),
    ):
        with pytest.raises(ConfigError, match=said):
            Sources(given, label=label)
    write(folder, {"a.csv": b"t,l\nx,one\ny,\nz\n"})
    assert [label for *_, label in read("a.csv", field="t", label="field:l")] == ["one", "", ""]
    with pytest.raises(CorpusError, match="has no field 'm'"):
        read("a.csv", field="t", label="field:m")


# Training, sampling and inspecting


def test_a_run_on_a_folder_or_a_field_resumes_and_repeats(folder: Path) -> None:
    write(folder, {f"poems/{k}.txt": b"abc cab bca\n" * 20 for k in range(4)})
    write(folder, {"t.csv": dump("csv", [{"id": "x", "joke": "abc cab bca\n" * 20}] * 4, "\n").encode()})
    short = {"hidden": 3, "batch_size": 2, "seq_len": 8, "force": True}
    for corpora, field in (("poems", None), ("t.csv", "joke")):
        trained = charlstm.train(corpora, field=field, model="m.npz", steps=4, **short)
        record = checkpoint.load_run("m.npz.resume").record
        assert (record.field, record.corpora) == (field or "", (str(folder / corpora),))
        repeated = charlstm.train(corpora, field=field, repeat="m.npz")
        assert repeated.model.digest == trained.model.digest
        resumed = charlstm.train(model="m.npz", resume=True, steps=6)
        assert resumed.model.facts == trained.model.facts and trained.model.facts.characters == 960
    assert invoke("train", "t.csv", "--field", "", *TRAIN).exit_code == 2
    with pytest.raises(ConfigError, match="field"):
        charlstm.train("t.csv", field="", steps=1)


def test_every_file_of_a_folder_has_a_part_in_the_validation_set(folder: Path) -> None:
    write(folder, {f"poems/{k}.txt": b"abc cab bca\n" * 20 for k in range(4)})
    write(folder, {"all.txt": b"abc cab bca\n" * 80})
    trained = charlstm.train("poems", documents="", steps=1, hidden=3, model="m.npz")
    assert trained.model.training.split == "tails"
    write(folder, {"poems/0.txt": b"abc cab bca\n" * 19, "poems/00.txt": b"abc cab bca\n"})
    with pytest.raises(CorpusError, match="read 4 files, each with a part in the validation set, and 5 are given"):
        charlstm.train(model="m.npz", resume=True, steps=2)
    write(folder, {"poems/new.txt": b"abc"})
    with pytest.raises(CorpusError, match=r"in poems/ \(6 files\), the run 960 in poems/ \(4 files\)"):
        charlstm.train(model="m.npz", resume=True, steps=2)
    held_out = charlstm.train("all.txt", val="poems", steps=1, hidden=3)
    assert held_out.model.facts.files == ("all.txt", "poems/ (6 files)") and held_out.model.training.split == "file"


def test_no_text_is_written_into_a_folder_that_is_read(folder: Path) -> None:
    write(folder, {"poems/a.txt": b"abc cab bca\n" * 20})
    checkpoint.save(small_model(network("gru", np.float32), "\n abc"), Path("m.npz"))
    for words in (
        ("train", "poems", "--log", "poems/run.log", "-m", "n.npz", *TRAIN),
        ("sample", "-m", "m.npz", "-n", "3", "--novelty", "poems/../poems", "-o", "poems/b.txt"),
        ("inspect", "-m", "m.npz", "--score", "--file", ".", "-o", "poems/score.csv"),
    ):
        done = invoke(*words)
        assert is_one_sentence(done) and "is in the input folder" in done.output, done.output
    assert invoke("train", "poems", "-m", "poems/m.npz", *TRAIN).exit_code == 0
    done = invoke("train", "--resume", "-m", "poems/m.npz", "--steps", "2")
    assert done.exit_code == 0 and "poems/m.npz.resume: left out" in done.output.replace("and ", ""), done.output
    assert "lock" not in done.output
    Path("poems/link.txt").symlink_to("../outside.txt")
    write(folder, {"outside.txt": b"abc"})
    Path("hard.txt").hardlink_to("poems/a.txt")
    for name in ("outside.txt", "hard.txt", "poems/a.txt"):
        for words in (("train", "poems", "-m", name, "--force", *TRAIN), ("sample", "--novelty", "poems", "-o", name)):
            done = invoke(*words, *(["-m", "m.npz"] if words[0] == "sample" else []))
            assert is_one_sentence(done) and "input folder poems, so it" in done.output, done.output
    assert Path("outside.txt").read_bytes() == b"abc"


def test_samples_are_compared_with_folders_compressed_files_and_fields(folder: Path) -> None:
    write(folder, {"poems/b/a.txt": b"none\n", "poems/c.txt": gzip.compress(b"-\n--abcdefghi\n")})
    loaded = charlstm.LanguageModel(small_model(network("gru", np.float32), "\n abc"))
    (run,) = loaded.novelty("xyabcdefghizz", "poems").runs()
    assert (run.file, run.line, run.column, run.text) == ("poems/c.txt", 2, 3, "abcdefghi")
    write(folder, {"t.csv": b'id,joke\nabcdefghi,x\n1,"a\nabcdefgh"\n'})
    (run,) = loaded.novelty("xyabcdefghizz", "t.csv", field="joke").runs()
    assert (run.file, run.line, run.column, run.text) == ("t.csv", 3, 1, "abcdefgh")
    write(folder, {"image": gzip.compress(PNG)})
    checkpoint.save(loaded.model, Path("m.npz"))
    assert is_one_sentence(invoke("sample", "-m", "m.npz", "-n", "3", "--novelty", "image"))  # before any text


def test_a_folder_is_inspected_as_the_text_that_training_reads(folder: Path) -> None:
    write(folder, {"poems/a": b"abc", "poems/b": b"cab\n", "poems/c": gzip.compress(b"bca"), "poems/.x": b"?"})
    write(folder, {"all.txt": b"abc\ncab\nbca", "t.tsv": b'x\tj\n?\tabc\n?\t"cab\n"\n?\tbca\n'})
    checkpoint.save(small_model(network("gru", np.float32), "\n abc"), Path("m.npz"))
    shown = []
    for words in (("all.txt",), ("poems",), ("t.tsv", "--field", "j")):
        for view in ("gates", "score"):
            done = CliRunner().invoke(
                main, ["inspect", "-m", "m.npz", "--view", view, "--format", "csv", "--file", *words], input=""
            )
            assert done.exit_code == 0, done.output
            shown.append(re.sub(r"^(all.txt|poems|t.tsv)", "", done.stdout, flags=re.MULTILINE))
            assert ("left out" in done.stderr) == (words == ("poems",))
    assert shown[:2] == shown[2:4] == shown[4:]


def test_a_folder_is_no_seed_and_no_model(folder: Path) -> None:
    write(folder, {"poems/a.txt": b"abc"})
    checkpoint.save(small_model(network("gru", np.float32), "\n abc"), Path("m.npz"))
    for words in (("sample", "-m", "m.npz", "--seed-file", "poems"), ("sample", "-m", "poems")):
        done = invoke(*words)
        assert is_one_sentence(done) and "poems" in done.output, done.output
    assert stat.S_ISDIR(Path("poems").stat().st_mode)
    write(folder, {"seed.gz": gzip.compress(b"abc\n")})
    assert invoke("sample", "-m", "m.npz", "--seed-file", "seed.gz", "-n", "2").stdout.startswith("abc")
    with pytest.raises(CharlstmError, match="folder"):
        charlstm.load("poems")


def test_rows_and_files_are_documents_that_nothing_is_added_to(folder: Path) -> None:
    jokes = ["one\n\ntwo", "three\n", "\n", "four"]
    write(folder, {"t.csv": dump("csv", [{"id": "x", "joke": joke} for joke in jokes], "\r\n").encode()})
    write(folder, {f"poems/{k}": joke.encode() for k, joke in enumerate(jokes)})
    for path, kind, field in (("t.csv", ROW, "joke"), ("poems", FILE, None)):
        found = corpus.read([path], documents=Documents(kind), field=field)
        assert found.vocabulary.decode(found.ids) == "".join(f"{END}{joke}" for joke in jokes) + END
    whole = charlstm.train("t.csv", field="joke", steps=1, hidden=3, val_fraction=0)
    assert whole.model.documents.kind == ROW
    found = corpus.read(["t.csv"], documents=Documents(LINE), field="joke")
    assert found.vocabulary.decode(found.ids) == END + END.join(["one", "two", "three", "four"]) + END
