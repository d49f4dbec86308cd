"""Laws of spec files: what is read, how files merge, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nthrun.errors import Fault, SpecError
from nthrun.specs.documents import Document, flatten, read_document

KEYS = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=8)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=8),
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3))
MAPPINGS = st.dictionaries(KEYS, st.one_of(VALUES, st.dictionaries(KEYS, VALUES)), max_size=5)
LEAVES = ("a", "b", "c", "nested.a", "nested.b", "nested.deep.a", "other.a")
PARTS = st.permutations(LEAVES).flatmap(
    lambda keys: st.integers(0, len(keys)).map(lambda number: keys[:number])
)


class QuotingDumper(yaml.SafeDumper):
    """Writes every text in quotes: texts such as 1e3 are numbers without."""


QuotingDumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the files of one test at a time."""
    return tmp_path_factory.mktemp("documents")


def read(folder: Path, *files: tuple[str, str]) -> Document:
    """The document of some (file name, text)."""
    paths = [folder / name for name, _ in files]
    for path, (_, text) in zip(paths, files, strict=True):
        path.write_text(text, encoding="utf-8")
    return read_document(paths)


def faults_of(folder: Path, *files: tuple[str, str]) -> list[tuple[str, str, str]]:
    """(file name, key, problem) of every fault of some (file name, text)."""
    with pytest.raises(SpecError) as caught:
        read(folder, *files)
    return [(Path(fault.file).name, fault.key, fault.problem) for fault in caught.value.faults]


def nested(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """A nested mapping of dotted leaves, in order of first appearance."""
    mapping: dict[str, Any] = {}
    for dotted, value in leaves.items():
        *parents, leaf = dotted.split(".")
        target = mapping
        for parent in parents:
            target = target.setdefault(parent, {})
        target[leaf] = value
    return mapping


class TestReading:
    @given(content=MAPPINGS)
    def test_json_and_yaml_say_the_same(self, folder: Path, content: dict[str, Any]) -> None:
        """The same content reads the same from JSON and from YAML."""
        text = json.dumps(content)
        block = yaml.dump(content, Dumper=QuotingDumper, sort_keys=False, allow_unicode=True)
        documents = [
            read(folder, ("spec.json", text)),
            read(folder, ("spec.yaml", block)),
        ]
        for document in documents:
            assert document.values == content
            assert list(flatten(document.values)) == list(flatten(content))

    def test_nested_keys_flatten(self) -> None:
        """Nested keys become dotted ones, depth first, in the order of the file."""
        mapping = {"z": 1, "n": {"b": 2, "m": {"x": [3]}, "a": 4}, "e": {}, "a": 5}
        assert list(flatten(mapping)) == [
            ("z", 1),
            ("n.b", 2),
            ("n.m.x", [3]),
            ("n.a", 4),
            ("e", {}),
            ("a", 5),
        ]

    def test_merge_keys_of_yaml(self, folder: Path) -> None:
        """YAML's `<<` gives a mapping another's keys; overriding one is no duplicate."""
        text = (
            "base: &base {x: 1, y: 2}\n"
            "top:\n  inner: &inner {<<: *base, x: 3}\n"
            "last: {<<: *inner, y: 4}\n"
        )
        values = read(folder, ("spec.yaml", text)).values
        assert values["top"] == {"inner": {"x": 3, "y": 2}}
        assert values["last"] == {"x": 3, "y": 4}

    @pytest.mark.parametrize("name", ["spec.json", "spec.yaml"])
    def test_a_byte_order_mark_is_no_content(self, folder: Path, name: str) -> None:
        """A file that an editor began with a byte order mark reads as without it."""
        (folder / name).write_bytes(b'\xef\xbb\xbf{"x": 1}')
        assert read_document([folder / name]).values == {"x": 1}


class TestYamlScalars:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            *(("1e-3", 0.001), ("1.5e3", 1500.0), ("5E-324", 5e-324), ("-.5", -0.5), ("5.", 5.0)),
            *(("0x10", 16), ("+5", 5), ("-0", 0), ("01.5", 1.5), ("!!float 3", 3.0)),
            *((".inf", float("inf")), ("-.INF", float("-inf")), ("1e400", float("inf"))),
            *(("true", True), ("False", False), ("~", None), ("Null", None)),
            *(("'0100'", "0100"), ('"no"', "no"), ("!!str 1e3", "1e3"), ("8x8", "8x8")),
            *(("None", "None"), ("y", "y"), ("1.2.3", "1.2.3"), ("03:00:00", "03:00:00")),
        ],
    )
    def test_what_every_yaml_reads_alike(self, folder: Path, text: str, value: object) -> None:
        """A scalar that YAML 1.1 and 1.2 read alike is read so, and a number with an exponent is a
        number."""
        found = read(folder, ("spec.yaml", f"x: {text}\ny: [{text}]\n")).values
        assert repr(found) == repr({"x": value, "y": [value]})

    @pytest.mark.parametrize(
        "text",
        [
            *("0100", "00", "-07", "08", "1_000", "1_000.5", "0b1", "-0x10", "0x1_0", "0o17"),
            *("1:20", "190:20:30", "1:20.5", "yes", "No", "ON", "off"),
            *("!!int 0100", "!!int '1:20'", "!!float 1e1_0", "!!bool yes"),
        ],
    )
    def test_what_they_read_differently_is_refused(self, folder: Path, text: str) -> None:
        """A number or word that versions of YAML take for different values is refused wherever it
        stands, as a key too, with its line and what to write."""
        for content in (f"a: 1\nx: {text}", f"a: 1\nx: [3, {text}]", f"a: 1\n? {text}\n: 2"):
            path = folder / "spec.yaml"
            path.write_text(content)
            with pytest.raises(SpecError) as caught:
                read_document([path])
            [fault] = caught.value.faults
            assert "in line 2: versions of YAML read it differently" in fault.problem
            assert fault.hint.startswith("write ")
            assert "in quotes for the text" in fault.hint


class TestMerging:
    @given(first=PARTS, second=PARTS, third=PARTS)
    def test_overriding_keeps_the_place(
        self, folder: Path, first: list[str], second: list[str], third: list[str]
    ) -> None:
        """A later file overrides key by key: an overridden key keeps its place, new ones come
        last, and every key remembers the last file that has it."""
        parts = {
            f"{number}.json": nested({key: [number, key] for key in keys})
            for number, keys in enumerate((first, second, third))
        }
        document = read(folder, *((name, json.dumps(part)) for name, part in parts.items()))
        leaves = [list(flatten(part)) for part in parts.values()]
        places = nested({key: None for part in leaves for key, _ in part})
        expected = {key: value for part in leaves for key, value in part}
        assert list(flatten(document.values)) == [
            (key, expected[key]) for key, _ in flatten(places)
        ]
        for key, (number, _) in expected.items():
            assert Path(document.origin(key)).name == f"{number}.json"

    def test_a_list_is_replaced_whole(self, folder: Path) -> None:
        """Lists do not merge: the later one counts."""
        document = read(
            folder, ("a.json", '{"x": [1, 2, 3], "y": 1}'), ("b.yaml", "x: [4]\nz: 2\n")
        )
        assert list(document.values.items()) == [("x", [4]), ("y", 1), ("z", 2)]

    def test_a_mapping_and_a_value_replace_each_other(self, folder: Path) -> None:
        """A value in place of a mapping drops what was in it, and where that came from."""
        document = read(
            folder,
            ("a.json", '{"x": {"y": 1, "z": 2}, "last": 3}'),
            ("b.json", '{"x": 5}'),
            ("c.json", '{"x": {"z": 6}}'),
        )
        assert list(document.values.items()) == [("x", {"z": 6}), ("last", 3)]
        assert Path(document.origin("x.z")).name == "c.json"

    def test_an_absent_key_is_of_the_last_file(self, folder: Path) -> None:
        """What is missing is asked for in the last file, in a mapping where that stands."""
        document = read(folder, ("a.json", '{"x": {"y": 1}}'), ("b.json", '{"z": 1}'))
        assert Path(document.origin("absent")).name == "b.json"
        assert Path(document.origin("x.absent")).name == "a.json"

    def test_nested_and_dotted(self, folder: Path) -> None:
        """A key written nested and with a dot is refused, whichever file each is in."""
        fault = ("b.json", "x.y", "written nested and with a dot")
        one = ("b.json", '{"x": {"y": 1}, "x.y": 2}')
        assert faults_of(folder, one) == [fault]
        assert faults_of(folder, ("a.json", '{"x": {"y": 1}}'), ("b.json", '{"x.y": 2}')) == [fault]


class TestRefusing:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("spec.json", '{"x": 1, "y": {"a": 1, "b": 1, "a": 2}, "z": 1, "x": 1}'),
            ("spec.yaml", "x: 1\ny: {a: 1, b: 1, a: 2}\nz: 1\nx: 1\n"),
        ],
    )
    def test_duplicate_keys(self, folder: Path, name: str, text: str) -> None:
        """A key written twice is a fault, equal values or not, and all are told at once."""
        problem = "written more than once"
        assert sorted(faults_of(folder, (name, text))) == [
            (name, "a", problem),
            (name, "x", problem),
        ]

    def test_all_files_at_once(self, folder: Path) -> None:
        """The faults of all files come together, each with its file."""
        faults = faults_of(
            folder,
            ("a.json", '{"x": 1, "x": 2}'),
            ("b.json", "{"),
            ("c.yaml", "x: 2001-01-01\n"),
            ("d.txt", ""),
        )
        assert [(file, key) for file, key, _ in faults] == [
            ("a.json", "x"),
            ("b.json", ""),
            ("c.yaml", "x"),
            ("d.txt", ""),
        ]

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("spec.json", b"", "not valid JSON at line 1, column 1"),
            ("spec.json", b'{"x": 1,\n "y": [1, 2', "not valid JSON at line 2"),
            ("spec.json", b'\xef\xbb\xbf\xef\xbb\xbf{"x": 1}', "not valid JSON"),
            ("spec.json", '{"x": 1}'.encode("utf-16"), "cannot be read"),
            ("spec.json", b"[1]", "holds a list, allowed: one mapping"),
            ("spec.json", b"null", "holds a NoneType"),
            ("spec.json", b'{"x": "\xff"}', "cannot be read"),
            ("spec.json", b"[" * 100_000, "nested too deeply"),
            ("spec.json", b'{"x":' * 40 + b"1" + b"}" * 40, "nested deeper than 32"),
            ("spec.json", b'{"": 1}', "empty"),
            ("spec.json", b'{"x": ' + b"9" * 5000 + b"}", "cannot be read"),
            ("spec.yaml", b"", "holds a NoneType"),
            ("spec.yaml", b"x: [1, 2", "not valid YAML"),
            ("spec.yaml", b"x: 1\n---\ny: 2\n", "not valid YAML"),
            ("spec.yaml", b"x: \x00", "not valid YAML"),
            ("spec.yaml", b"1: 2", "a key that is int"),
            ("spec.yaml", b"? 0x" + b"f" * 5000 + b"\n: 2", "a key that is int"),
            ("spec.yaml", b"x: {? [1]: 2}", "not valid YAML"),
            ("spec.yaml", b"x: !!python/object/apply:os.getcwd []", "not valid YAML"),
            ("spec.yaml", b"x: !!int ''", "not valid YAML"),
            ("spec.yaml", b"x: !!float ''", "not valid YAML"),
            ("spec.yaml", b"x: !!bool maybe", "not valid YAML"),
            ("spec.yaml", b"x: !!timestamp soon", "not valid YAML"),
            ("spec.yaml", b"x: 2001-13-41", "not valid YAML"),
            ("spec.yaml", b"x: 2001-01-01", "got a date"),
            ("spec.yaml", b"x: !!set {1, 2}", "got a set"),
            ("spec.yaml", b"x: !!binary eA==", "got a bytes"),
            ("spec.yaml", b"[" * 2_000, "nested too deeply"),
            ("spec.yaml", b"x: &x [*x]", "nested deeper than 32"),
            ("spec.toml", b"x = 1", "unknown file type, allowed: .json, .yaml, .yml"),
        ],
    )
    def test_unreadable_files(self, folder: Path, name: str, content: bytes, words: str) -> None:
        """A file that is not one mapping of plain data is one fault that names the file."""
        path = folder / name
        path.write_bytes(content)
        with pytest.raises(SpecError) as caught:
            read_document([path])
        [fault] = caught.value.faults
        assert fault.file == str(path)
        assert words in fault.problem
        assert "\n" not in str(fault)

    @pytest.mark.parametrize(
        "text",
        [
            "a: &a [*a, *a]",
            "\n".join(
                [
                    "k0: &k0 [1]",
                    *(f"k{i}: &k{i} [{', '.join([f'*k{i - 1}'] * 9)}]" for i in range(1, 20)),
                ]
            ),
        ],
        ids=["recursive", "expanding"],
    )
    def test_yaml_aliases_cannot_grow_without_bound(self, folder: Path, text: str) -> None:
        """A small YAML file whose aliases unfold to billions of values is refused."""
        assert faults_of(folder, ("spec.yaml", text)) == [
            ("spec.yaml", "", "holds more than 1,000,000 values")
        ]

    def test_missing_files_and_directories(self, tmp_path: Path) -> None:
        """A path without a file, a directory and an empty path are faults that name the path."""
        missing, directory = str(tmp_path / "no.json"), str(tmp_path)
        with pytest.raises(SpecError) as caught:
            read_document([missing, directory, ""])
        first, second, third = caught.value.faults
        hint = "check the path; specs ship under config/ and clusters/"
        assert first == Fault(missing, "", "no such file", hint)
        assert second.file == directory
        assert second.problem == "a directory, allowed: a regular file"
        assert third == Fault('""', "", "no such file", hint)
