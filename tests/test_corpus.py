"""Reading text: every character survives, changed line ends and marks are reported, and other data is refused."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import socket
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import charlstm.text.vocabulary
from charlstm.base.errors import CorpusError, UnknownCharacterError
from charlstm.base.symbols import END
from charlstm.text import corpus, decoding
from charlstm.text.corpus import read
from charlstm.text.documents import LINE, STREAM, Documents, find_documents, hash_document, hash_documents
from charlstm.text.vocabulary import Vocabulary, code_points_of, text_of

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), min_size=2, max_size=60)


def written(folder: Path, *contents: bytes) -> list[Path]:
    paths = [folder / f"{number}.txt" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


@given(text=texts, block=st.integers(1, 40), large=st.booleans())
def test_any_text_survives_the_way_to_ids_and_back(
    tmp_path_factory: pytest.TempPathFactory, text: str, block: int, large: bool
) -> None:
    paths = written(tmp_path_factory.mktemp("corpus"), text.encode())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(decoding, "BLOCK", block)
        patched.setattr(corpus, "IN_MEMORY", 0 if large else corpus.IN_MEMORY)
        found = read(paths)
    assert isinstance(found.ids, np.memmap) == large
    text = text.removeprefix("\ufeff")
    assert found.vocabulary.decode(found.ids) == text
    assert "".join(map(chr, found.vocabulary.code_points)) == "".join(sorted(set(text)))
    assert found.facts.characters == len(text)
    assert found.facts.lines == text.count("\n") + (not text.endswith("\n"))
    assert found.facts.sha256 == sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(("text", "wanted"), [("\0a\nb", "\n\0a\nb\n"), ("\0a\n", "\n\0a\n"), ("ab", "\nab\n")])
def test_a_text_of_lines_begins_and_ends_with_the_end_symbol(tmp_path: Path, text: str, wanted: str) -> None:
    found = read(written(tmp_path, text.encode()), documents=Documents(LINE))
    assert found.vocabulary.decode(found.ids) == wanted.replace("\n", END)


def test_where_the_disk_is_full_a_large_text_stands_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(corpus, "IN_MEMORY", 0)
    monkeypatch.setattr("os.posix_fallocate", full)
    found = read(written(tmp_path, b"abc\n"))
    assert found.vocabulary.decode(found.ids) == "abc\n" and not isinstance(found.ids, np.memmap)


@pytest.mark.parametrize("block", [1, 2, 3, 1 << 20])
@pytest.mark.parametrize("text", ["é漢🎈", "👩‍🚀e\u0301", "אבג العربية", "\0\x1b[31m\u2028"])
def test_characters_of_many_bytes_are_whole_across_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, block: int
) -> None:
    monkeypatch.setattr(decoding, "BLOCK", block)
    for encoding in ("utf-8", "utf-16", "utf-32-be"):
        found = read(written(tmp_path, text.encode(encoding)), encoding)
        assert found.vocabulary.decode(found.ids) == text and found.remarks == ()


@pytest.mark.parametrize("block", [1, 2, 3, 1 << 20])
def test_line_ends_of_every_kind_become_newlines_and_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(decoding, "BLOCK", block)
    found = read(written(tmp_path, b"\xef\xbb\xbfone\r\ntwo\rthree\n"))
    assert found.vocabulary.decode(found.ids) == "one\ntwo\nthree\n"
    assert ["byte order mark" in found.remarks[0], "CRLF" in found.remarks[1]] == [True, True]
    assert read(written(tmp_path, b"one\ntwo\n")).remarks == ()


@given(lines=st.lists(texts.map(lambda text: text.replace("\n", "")), min_size=2, max_size=20))
def test_lines_are_known_again_by_their_digests(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    text = "\n".join(lines)
    if len(text) < 2 or text.startswith("\ufeff"):
        return
    found = read(written(tmp_path_factory.mktemp("lines"), text.encode()), documents=Documents(LINE))
    hashes = hash_documents(found.ids, find_documents(found.ids, found.vocabulary.end), found.vocabulary)
    assert sorted({*hashes.tolist()}) == sorted({hash_document(line) for line in lines if line})
    assert len(hashes) == len([*filter(None, lines)])


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize(
    "contents", [(b"ab", b"cd\n"), (b"ab\n", b"c"), (b"a\n", b"", b"bcd"), (b"abc",), (b"ab\n", b"")]
)
def test_where_the_last_file_begins_is_known(tmp_path: Path, contents: tuple[bytes, ...], lines: bool) -> None:
    found = read(
        written(tmp_path, *contents),
        documents=Documents(LINE if lines else STREAM),
        known=Vocabulary(np.array([ord("d"), ord("z")])),
    )
    last = contents[-1].decode()
    rest = found.vocabulary.decode(found.ids[found.file_starts[-1] :])
    assert rest == ("".join(f"{line}{END}" for line in last.split("\n") if line) if lines else last)
    assert set(found.vocabulary.decode(np.arange(len(found.vocabulary)))) == set(
        found.vocabulary.decode(found.ids) + "dz"
    )


def test_files_are_joined_at_line_ends(tmp_path: Path) -> None:
    found = read(written(tmp_path, b"one", b"two\n", b"", b"three"))
    assert found.vocabulary.decode(found.ids) == "one\ntwo\nthree"
    assert found.facts.files == ("0.txt", "1.txt", "2.txt", "3.txt") and found.facts.characters == 13


@pytest.mark.parametrize("content", [b"one\ntwo", b"one\ntwo\n", b"\n\none\n\ntwo\n\n"])
def test_lines_stand_between_end_symbols(tmp_path: Path, content: bytes) -> None:
    found = read(written(tmp_path, content), documents=Documents(LINE))
    text = found.vocabulary.decode(found.ids)
    assert text == f"{END}one{END}two{END}"


SIGNATURES = tuple(start for start, _, _ in decoding.SIGNATURES)


def test_a_text_that_only_begins_as_an_archive_does_is_a_text(tmp_path: Path) -> None:
    for start in (b"\x7fELF", b"BZh", b"GIF8"):
        assert read(written(tmp_path, start + b" is what the text begins with")).facts.characters > 20


@given(
    before=st.binary(max_size=30).filter(lambda data: data.isascii() and not data.startswith(SIGNATURES)),
    block=st.integers(1, 40),
)
def test_a_decode_error_names_the_byte(tmp_path_factory: pytest.TempPathFactory, before: bytes, block: int) -> None:
    assume(
        not before.startswith((b"\x7fELF", b"%PDF-", b"PK\x03\x04", b"{\\rtf", b"GIF8"))
    )  # they have errors of their own
    (path,) = written(tmp_path_factory.mktemp("corpus"), before + b"\xff rest")
    with pytest.MonkeyPatch.context() as patched, pytest.raises(CorpusError) as caught:
        patched.setattr(decoding, "BLOCK", block)
        read([path])
    assert f"byte {len(before)} (0xFF)" in str(caught.value)
    assert ("binary data" if b"\0" in before else "--encoding") in caught.value.text("command")
    assert str(path) in str(caught.value)


def test_a_character_cut_at_the_end_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"byte 2 \(0xC3\)"):
        read(written(tmp_path, b"ab\xc3"))


@pytest.mark.parametrize(
    ("contents", "said"), [([b""], "is empty"), ([b"", b""], "are empty"), ([b"x"], "one character")]
)
def test_texts_too_small_to_learn_are_refused(tmp_path: Path, contents: list[bytes], said: str) -> None:
    with pytest.raises(CorpusError, match=said):
        read(written(tmp_path, *contents))


def test_what_cannot_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CorpusError, match=f"cannot read {tmp_path / 'missing.txt'}"):
        read([tmp_path / "missing.txt"])

    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "locked.txt").touch()
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(CorpusError, match="Permission denied"):
        read([tmp_path / "locked.txt"])


@given(texts, st.text(max_size=20), st.integers(1, 30))
def test_unknown_characters_are_exactly_those_not_in_the_corpus(text: str, other: str, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(charlstm.text.vocabulary, "BLOCK", piece)
        check_unknown(text, other)


def check_unknown(text: str, other: str) -> None:
    vocabulary = Vocabulary(code_points_of("".join(sorted(set(text)))))
    unknown = sorted(set(other) - set(text))
    assert vocabulary.known(other) == "".join(c for c in other if c in text)
    if not unknown:
        assert vocabulary.decode(vocabulary.encode(other)) == other
        return
    with pytest.raises(UnknownCharacterError) as caught:
        vocabulary.encode(other, "the seed")
    for character in unknown[:5]:
        assert f"U+{ord(character):04X} at character {other.index(character) + 1}" in str(caught.value)


def test_five_unknown_characters_are_named_and_more_are_counted() -> None:
    vocabulary = Vocabulary(code_points_of("ab"))
    for unknown, more in (("defgh", []), ("defghij", ["2"])):
        with pytest.raises(UnknownCharacterError) as caught:
            vocabulary.encode(f"a{unknown}")
        assert re.findall(r"U\+(\w+)", str(caught.value)) == ["0064", "0065", "0066", "0067", "0068"]
        assert re.findall(r"(\d+) other", str(caught.value)) == more


def test_lone_surrogates_of_an_argument_are_unknown_characters() -> None:
    with pytest.raises(UnknownCharacterError, match=r"U\+DCFF at character 2"):
        Vocabulary(code_points_of("ab")).encode("a\udcff")
    assert text_of(code_points_of("a\udcff")) == "a\udcff"


@pytest.mark.parametrize("points", [[], [2, 1], [1, 1], [-1, 2], [0x110000], [[1, 2]]])
def test_a_vocabulary_is_distinct_ascending_code_points(points: list[int]) -> None:
    with pytest.raises(ValueError, match="distinct ascending"):
        Vocabulary(points)  # type: ignore[arg-type]


@pytest.mark.parametrize(("size", "name"), [(2, "uint8"), (256, "uint8"), (257, "uint16"), (70_000, "uint32")])
def test_ids_take_the_smallest_type(size: int, name: str) -> None:
    vocabulary = Vocabulary.of(np.arange(size))
    assert vocabulary.encode(chr(size - 1)).dtype == name and vocabulary.id(chr(size - 1)) == size - 1


@given(st.lists(st.sampled_from([b"", b"a", b"b\n", b"cd\ne"]), min_size=1, max_size=6), st.booleans())
def test_an_empty_file_between_others_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes], lines: bool
) -> None:
    full = [content for content in contents if content]
    if len(b"".join(full)) < 2:
        return
    folder = tmp_path_factory.mktemp("corpus")
    found, wanted = (
        read(written(folder, *some), documents=Documents(LINE if lines else STREAM)) for some in (contents, full)
    )
    text = b"".join(
        one + b"\n" * (k + 1 < len(full) and not one.endswith(b"\n")) for k, one in enumerate(full)
    ).decode()
    assert found.vocabulary.decode(found.ids) == wanted.vocabulary.decode(wanted.ids)
    assert found.facts.sha256 == wanted.facts.sha256 == sha256(text.encode()).hexdigest()
    assert [int(start) for start, one in zip(found.file_starts, contents, strict=True) if one] == list(
        wanted.file_starts
    )


def change(path: Path, how: str) -> None:
    content = path.read_bytes()
    changed = {
        "truncated": content[: len(content) // 2],
        "emptied": b"",
        "grown": content + b"abc" * 1000,
        "new characters": content[:-1] + b"z",
        "other characters": bytes(reversed(content)),
        "binary": b"\xff" * len(content),
        "wider characters": "é".encode() * (len(content) // 2),
    }[how]
    path.write_bytes(changed)


@pytest.mark.parametrize(
    "how",
    ["truncated", "emptied", "grown", "new characters", "other characters", "binary", "wider characters", "removed"],
)
@pytest.mark.parametrize("lines", [False, True])
def test_a_file_that_changes_while_it_is_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, lines: bool
) -> None:
    first, path = written(tmp_path, b"abc\n", b"abc\xc3\xa9 ab\n" * 100)
    build = corpus._allocate

    def allocate(*arguments: Any) -> Any:
        if how == "removed":
            path.unlink()
        else:
            change(path, how)
        return build(*arguments)

    monkeypatch.setattr(corpus, "_allocate", allocate)
    with pytest.raises(CorpusError, match=r"changed while the text was read[^\n]*$") as caught:
        read([first, path], documents=Documents(LINE if lines else STREAM))
    assert "1.txt" in str(caught.value)


@given(content=st.binary(max_size=80) | texts.map(str.encode), encoding=st.sampled_from(["utf-8", "latin-1", "utf-16"]))
def test_what_is_piped_in_gives_what_a_file_gives(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, encoding: str
) -> None:
    folder = tmp_path_factory.mktemp("pipe")
    (path,) = written(folder, content)
    results = []
    for name in ("pipe", "file"):
        reading, writing = os.pipe()
        os.write(writing, content)
        os.close(writing)
        try:
            found = read([f"/dev/fd/{reading}" if name == "pipe" else path], encoding)
            results.append((found.ids.tolist(), found.vocabulary.characters, found.facts.sha256))
        except CorpusError as error:
            assert "\n" not in str(error)
            results.append(re.sub(r"/dev/fd/\d+|" + re.escape(str(path)), "it", str(error)))
        finally:
            os.close(reading)
    assert results[0] == results[1]


def test_a_pipe_that_is_named_twice_is_read_twice(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"abc")
    os.close(writing)
    found = read([f"/dev/fd/{reading}", tmp_path / "more.txt", f"/proc/self/fd/{reading}"][::2])
    os.close(reading)
    assert found.vocabulary.decode(found.ids) == "abc\nabc"


def test_remarks_about_many_files_are_one_with_a_count(tmp_path: Path) -> None:
    found = read(written(tmp_path, *[b"\xef\xbb\xbfone\r\ntwo\r\n"] * 50))
    assert len(found.remarks) == 2
    assert all("0.txt" in remark and "48 other files" in remark for remark in found.remarks)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(bz2.compress(b"abc" * 99), mtime=0), "compressed twice"),
        (lzma.compress(b"PK\x03\x04" + b"abc" * 99), "zip archive"),
        (bz2.compress(b"x.txt" + b"\0" * 252 + b"ustar" + b"\0" * 250), "tar archive"),
        (b"\x28\xb5\x2f\xfd" + b"abc" * 99, "zstd archive"),
        (b"PK\x03\x04" + b"abc" * 99, "zip archive"),
        (b"x.txt" + b"\0" * 252 + b"ustar" + b"\0" * 250, "tar archive"),
        (b'PK\x03\x04 metadata.npy {"format": "charlstm", ', "charlstm model"),
        (b"%PDF-1.7 abc", "PDF"),
        (b"\x89PNG\r\n\x1a\n\0\0", "image"),
        ("the king".encode("utf-16"), "utf-16"),
        ("the king and the queen".encode("utf-16-le"), "utf-16-le"),
        ("the king and the queen".encode("utf-16-be"), "utf-16-be"),
        ("the king".encode("utf-32"), "utf-32"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_what_is_no_text_is_named_and_not_trained_on(tmp_path: Path, content: bytes, said: str, encoding: str) -> None:
    with pytest.raises(CorpusError, match=said) as caught:
        read(written(tmp_path, content), encoding)
    assert "latin-1 or" not in str(caught.value)


def test_binary_data_is_not_trained_on_whatever_the_encoding(tmp_path: Path) -> None:
    for encoding in ("utf-8", "latin-1", "cp437"):
        with pytest.raises(CorpusError, match="binary data"):
            read(written(tmp_path, bytes(range(256))), encoding)


@pytest.mark.parametrize(("path", "said"), [("/dev/zero", "device"), ("/dev/urandom", "device"), ("socket", "socket")])
def test_what_has_no_end_or_no_content_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind("socket")
        with pytest.raises(CorpusError, match=f"cannot read {path}: it is a {said}"):
            read([path])
    with pytest.raises(CorpusError, match="/dev/null is empty"):
        read(["/dev/null"])
