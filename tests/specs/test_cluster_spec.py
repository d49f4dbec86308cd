"""Laws of cluster specs: fields, options in their place, derived values, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_cluster_docs import SLURM_FIELDS

from nthrun.errors import Fault, SpecError
from nthrun.specs import cluster_spec
from nthrun.specs.cluster_rules import RESERVED_OPTIONS
from nthrun.specs.cluster_spec import (
    FIELDS,
    MAIL_TYPES,
    ClusterSpec,
    read_cluster_spec,
)
from nthrun.specs.field import plain

REQUIRED = {"time": "3:00:00"}
NAMES = [field.name for field in FIELDS]
GIVEN: dict[str, Any] = {
    "account": "def-someone",
    "time": "1-12",
    "nodes": 2,
    "cores": 8,
    "coresPerNode": 4,
    "sequential": 3,
    "memPerCpu": "4G",
    "output": "$SCRATCH/logs/job_%j.txt",
    "email": "someone@example.org",
    "emailType": ["END", "FAIL"],
    "scheduler": "slurm",
    "partition": "gpu",
    "qos": "high",
    "gpus": 2,
    "gpuType": "h100_1g.10gb",
    "packsPerGpu": 3,
    "packsPerTask": 5,
    "arrayLimit": 1000,
    "submitLimit": 500,
    "parallel": 10,
    "wholeNode": True,
    "setup": ["module load python/3.11", "export A=b c"],
    "prefix": ["apptainer", "exec", "--nv", "image.sif"],
    "python": "python3",
    "signalSeconds": 30,
    "sbatch": ["--constraint=genoa|rome", "--exclude=n[1-2],n4", "--contiguous"],
}
"""A value for every field, none of them the default but the scheduler's."""
FAULTY: dict[str, Any] = {
    "account": "def someone",
    "time": "3h",
    "nodes": 0,
    "cores": 1.5,
    "coresPerNode": -1,
    "sequential": "3",
    "memPerCpu": "0.5G",
    "output": "a\nb",
    "email": ["a@b"],
    "emailType": ["SOMETIMES"],
    "scheduler": "slrum",
    "partition": "a b",
    "qos": "a\tb",
    "gpus": True,
    "gpuType": "h100:1",
    "packsPerGpu": 0,
    "packsPerTask": None,
    "arrayLimit": 10**30,
    "submitLimit": [],
    "parallel": {},
    "wholeNode": "true",
    "setup": [1],
    "prefix": {},
    "python": 3,
    "signalSeconds": 0,
    "sbatch": 5,
    "acount": "def-someone",
    "error": "$SCRATCH/job_%j.err",
}
"""A faulty value for every field, and two unknown keys."""
BROKEN: dict[str, tuple[dict[str, Any], str, str]] = {
    "split": ({"cores": 7, "nodes": 2}, "cores", "6 or 8 cores"),
    "too few to split": ({"cores": 2, "nodes": 3}, "cores", "3 cores"),
    "node too small": (
        {"cores": 130, "nodes": 2, "coresPerNode": 64},
        "cores",
        "at most 128 cores, or more nodes",
    ),
    "part of a whole node": (
        {"cores": 63, "coresPerNode": 64, "wholeNode": True},
        "cores",
        "64 cores, or wholeNode false",
    ),
    "unknown node": ({"wholeNode": True}, "coresPerNode", "the number of cores of one node"),
    "no cores": ({"cores": 0}, "cores", "0 is every core of this machine, scheduler local only"),
    "type without GPUs": ({"gpuType": "h100"}, "gpuType", "give gpus, such as 1"),
    "packs without GPUs": ({"packsPerGpu": 2}, "packsPerGpu", "give gpus, such as 1"),
    "no time to save": (
        {"time": "3:00"},
        "time",
        "give more time, or signalSeconds below 120",
    ),
    "no time at all": ({"time": "1:00", "signalSeconds": 1}, "time", "give more time"),
    "a folder of each": (
        {"output": "logs/%u/%j.log"},
        "output",
        "write % signs in the file's name only, as in logs/%x-%j.log",
    ),
    "no address": ({"email": "someone"}, "email", ""),
    "mail to nobody": ({"emailType": "END"}, "emailType", "give email, or drop emailType"),
    "two words": (
        {"sbatch": ["--constraint genoa"]},
        "sbatch",
        'such as "--constraint=genoa"',
    ),
    "short option": ({"sbatch": ["-C genoa"]}, "sbatch", 'such as "--constraint=genoa"'),
    "two lines": ({"sbatch": ["--nice=1\nrm"]}, "sbatch", 'such as "--constraint=genoa"'),
    "own option": ({"sbatch": ["--time=3:00:00"]}, "sbatch", "use time"),
    "its beginning": ({"sbatch": ["--arr=1-3"]}, "sbatch", "use arrayLimit and parallel"),
    "no field for it": ({"sbatch": ["--requeue"]}, "sbatch", "leave it out"),
}
"""Fields that break one rule; the key at fault and the hint."""
ONLY_SLURM = {"no cores", *(name for name, (f, _, _) in BROKEN.items() if set(f) & {*SLURM_FIELDS})}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the files of one test at a time."""
    return tmp_path_factory.mktemp("clusters")


def read(folder: Path, text: str, name: str = "c.json", **options: object) -> ClusterSpec:
    """The spec that a text is."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_cluster_spec(str(path), options)


def spec(folder: Path, **fields: Any) -> ClusterSpec:
    """The spec of some fields."""
    return read(folder, json.dumps(REQUIRED | fields))


def faults(folder: Path, text: str, name: str = "c.json", **options: object) -> list[Fault]:
    """The faults of a text."""
    with pytest.raises(SpecError) as caught:
        read(folder, text, name, **options)
    return list(caught.value.faults)


def faults_of(folder: Path, **fields: Any) -> list[Fault]:
    """The faults of some fields."""
    return faults(folder, json.dumps(REQUIRED | fields))


class TestFields:
    def test_defaults(self, folder: Path) -> None:
        """A field left out has its default, and the document of a spec writes out every field."""
        found = spec(folder)
        defaults = {field.name: field.default for field in FIELDS} | REQUIRED
        assert found.values == defaults
        assert found.as_document() == {name: plain(value) for name, value in defaults.items()}
        assert found.name == "c"

    def test_every_field_is_read(self, folder: Path) -> None:
        """The value of every field is the one its file gives, whatever the file's order."""
        assert list(GIVEN) == NAMES
        backwards = dict(reversed(GIVEN.items()))
        assert read(folder, json.dumps(backwards)).as_document() == GIVEN

    @given(
        fields=st.fixed_dictionaries(
            {},
            optional={
                "nodes": st.integers(1, 8),
                "time": st.integers(4, 10**6) | st.sampled_from(["1-0", "INFINITE"]),
                "memPerCpu": st.integers(1, 10**6) | st.sampled_from(["4G", ""]),
                "sequential": st.integers(0, 10**7),
                "gpus": st.integers(0, 8),
                "setup": st.lists(st.text(min_size=1), max_size=2),
                "partition": st.sampled_from(["", "a", "b"]),
            },
        )
    )
    def test_a_document_reads_back(self, folder: Path, fields: dict[str, Any]) -> None:
        """The document of a spec, read again, is the same spec."""
        found = spec(folder, cores=8 * 7 * 5 * 3, **fields)
        assert read(folder, json.dumps(found.as_document())) == found

    def test_numbers_are_minutes_and_megabytes(self, folder: Path) -> None:
        """A time that is a number is minutes, and a memory that is one is megabytes."""
        found = spec(folder, time=90, memPerCpu=4000)
        assert found.time_seconds == 90 * 60
        assert found.memory_per_core_bytes == 4000 * 2**20

    def test_one_string_is_a_list_of_one(self, folder: Path) -> None:
        """A string where a list is declared is a list of it; mail types are split at commas."""
        found = spec(
            folder, email="a@b", emailType="END,FAIL", setup="echo a, b", sbatch="--nice=1"
        )
        assert found.items("emailType") == ("END", "FAIL")
        assert found.items("setup") == ("echo a, b",)
        assert found.items("sbatch") == ("--nice=1",)

    def test_every_mail_type_is_allowed(self, folder: Path) -> None:
        """Every type of mail sbatch knows may be asked for."""
        assert spec(folder, email="a@b", emailType=list(MAIL_TYPES)).items("emailType")

    def test_yaml_times_need_quotes(self, folder: Path) -> None:
        """In YAML a time without quotes, which may be read as a number, is refused."""
        assert read(folder, "time: '3:00:00'", "c.yaml").time_seconds == 10_800
        assert read(folder, "time: 03:00:00\nmemPerCpu: 4000", "c.yml").time_seconds == 10_800
        for text in ("3:00:00", "3:00", "90"):
            [fault] = faults(folder, f"time: {text}", "c.yaml")
            assert "in quotes" in f"{fault.problem} {fault.hint}"

    def test_time_may_be_missing_without_slurm_only(self, folder: Path) -> None:
        """A local cluster without a time is unlimited; another is at fault."""
        assert read(folder, '{"scheduler": "local"}').time_seconds is None
        [fault] = faults(folder, "{}")
        assert (fault.key, fault.hint) == ("time", "write it, or give --time")
        assert fault.problem.startswith("missing, allowed: MM, MM:SS")


class TestDerived:
    @given(
        nodes=st.integers(1, 20),
        per_task=st.integers(1, 200),
        gpus=st.integers(0, 8),
        packs=st.integers(1, 9),
    )
    def test_a_task_has_one_node(
        self, folder: Path, nodes: int, per_task: int, gpus: int, packs: int
    ) -> None:
        """A task has the cores of one node, and a worker for each, or for each share of a GPU."""
        shared = {"gpus": gpus, "packsPerGpu": packs} if gpus else {}
        found = spec(folder, nodes=nodes, cores=nodes * per_task, **shared)
        assert found.cores_per_task == per_task
        assert found.num_workers == (gpus * packs if gpus else per_task)
        assert found.device == ("cuda" if gpus else "cpu")

    def test_accessors(self, folder: Path) -> None:
        """Every value can be had by its type."""
        found = spec(folder, **GIVEN)
        assert found.text("account") == "def-someone"
        assert found.integer("sequential") == 3
        assert found.flag("wholeNode") is True
        assert found.items("emailType") == ("END", "FAIL")
        assert found.is_local is False
        assert (found.time_seconds, found.memory_per_core_bytes) == (129_600, 4 * 2**30)

    def test_no_memory_is_not_known(self, folder: Path) -> None:
        """Without memPerCpu the memory of a core is not known."""
        assert spec(folder).memory_per_core_bytes is None

    @pytest.mark.parametrize(("nodes", "cores"), [(1, 7), (2, 6), (8, 8)])
    def test_local_cores(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, nodes: int, cores: int
    ) -> None:
        """0 cores on this machine are as many of its cores as the nodes share evenly."""
        monkeypatch.setattr(cluster_spec, "usable_cores", lambda: 7)
        assert spec(folder, scheduler="local", cores=0, nodes=nodes).integer("cores") == cores

    def test_this_machine_has_cores(self) -> None:
        """This process may use at least one core."""
        assert cluster_spec.usable_cores() >= 1


class TestOptions:
    def test_a_text_is_read_as_the_field(self, folder: Path) -> None:
        """Options given as text, over any file, are the same spec as a file of typed values."""
        texts = {
            name: value if isinstance(value, list) else str(value) for name, value in GIVEN.items()
        }
        assert (
            read(folder, '{"time": "1", "cores": 5}', **texts).values
            == spec(folder, **GIVEN).values
        )

    def test_an_option_counts_instead_of_the_file(self, folder: Path) -> None:
        """An option replaces the file's value, none leaves it, and an empty one clears it."""
        text = json.dumps(GIVEN)
        found = read(folder, text, cores=None, time="4", account="", setup="", wholeNode="FALSE")
        changed = {"time": "4", "account": "", "setup": [], "wholeNode": False}
        assert found.as_document() == GIVEN | changed

    @pytest.mark.parametrize(
        ("name", "text"),
        [("cores", "four"), ("memPerCpu", "4 G"), ("time", "3h"), ("wholeNode", "maybe")],
    )
    def test_a_fault_names_its_option(self, folder: Path, name: str, text: str) -> None:
        """A faulty option is named in the file's place, and what it got is shown."""
        [fault] = faults(folder, json.dumps(REQUIRED), **{name: text})
        assert str(fault).startswith(f'--{name}: got "{text}", allowed: ')

    def test_an_option_is_blamed_before_the_file(self, folder: Path) -> None:
        """Of fields that do not go together, the one an option gave is at fault."""
        [fault] = faults(folder, '{"time": "3:00:00", "cores": 4}', nodes="3")
        assert str(fault) == (
            "--nodes: got 4 cores over 3 nodes, allowed: as many on each node; hint: 3 or 6 cores"
        )

    def test_an_unknown_option_is_refused(self, folder: Path) -> None:
        """An override of no field is an unknown key, with the nearest."""
        [fault] = faults(folder, json.dumps(REQUIRED), core="4")
        assert (fault.file, fault.hint) == ("--core", "did you mean cores?")

    def test_a_file_is_mended_by_options(self, folder: Path) -> None:
        """What an option overrides in the file is not looked at."""
        assert read(folder, '{"time": "3h", "cores": []}', time="5", cores="2").cores_per_task == 2


class TestFaults:
    def test_all_faults_at_once(self, folder: Path) -> None:
        """Every faulty field and every unknown key is reported, each once."""
        found = faults_of(folder, **FAULTY)
        assert sorted(fault.key for fault in found) == sorted(FAULTY)
        assert {*NAMES} <= {*FAULTY}
        assert all(fault.file.endswith("c.json") for fault in found)

    @pytest.mark.parametrize(("name", "value"), FAULTY.items(), ids=FAULTY)
    def test_each_fault_alone(self, folder: Path, name: str, value: object) -> None:
        """A faulty value alone is the only fault, and is shown with what is allowed."""
        [fault] = faults_of(folder, **{name: value})
        assert fault.key == name
        assert "allowed: " in fault.problem

    def test_old_and_misspelt_keys(self, folder: Path) -> None:
        """A misspelt key has its neighbour as hint, and an old one what has replaced it."""
        hints = {fault.key: fault.hint for fault in faults_of(folder, acount="a", error="b")}
        assert hints == {
            "acount": "did you mean account?",
            "error": "output holds both stdout and stderr",
        }

    @pytest.mark.parametrize(("fields", "key", "hint"), BROKEN.values(), ids=BROKEN)
    def test_fields_together(
        self, folder: Path, fields: dict[str, Any], key: str, hint: str
    ) -> None:
        """Fields that do not go together are one fault, of one of them, with what to do."""
        [fault] = faults_of(folder, **fields)
        assert (fault.key, fault.hint) == (key, hint)
        assert fault.problem.startswith("got ")

    @pytest.mark.parametrize("name", [*BROKEN])
    def test_slurm_rules_leave_this_machine_alone(self, folder: Path, name: str) -> None:
        """Without Slurm no rule holds on a field that means nothing there; the others do."""
        fields = {"scheduler": "local"} | BROKEN[name][0]
        if name in ONLY_SLURM or name == "no time to save":
            assert spec(folder, **fields).is_local
        else:
            assert len(faults_of(folder, **fields)) == 1

    @given(st.integers(1, 65_535), st.integers(1, 10**6))
    def test_a_task_has_time_to_save(self, folder: Path, signal: int, seconds: int) -> None:
        """A time is accepted just when it exceeds the signal's by more than a minute."""
        fields = {"time": f"0:{seconds}", "signalSeconds": signal}
        if seconds > signal + 60:
            assert spec(folder, **fields).time_seconds == seconds
        else:
            [fault] = faults_of(folder, **fields)
            assert fault.key == "time"

    def test_unlimited_time_is_time_enough(self, folder: Path) -> None:
        """An unlimited time leaves time to save."""
        assert spec(folder, time="UNLIMITED").time_seconds is None

    @pytest.mark.parametrize("name", RESERVED_OPTIONS)
    def test_options_nthrun_sets(self, folder: Path, name: str) -> None:
        """An option nthrun sets is refused with or without a value, and points to real fields."""
        found = faults_of(folder, sbatch=[f"--{name}=1", f"--{name}"])
        assert [fault.key for fault in found] == ["sbatch", "sbatch"]
        field = RESERVED_OPTIONS[name].partition(",")[0]
        assert not field or {*field.split(" and ")} <= {*NAMES}

    def test_longer_names_are_other_options(self, folder: Path) -> None:
        """An option that only begins like one nthrun sets is allowed."""
        options = ["--gres-flags=enforce-binding", "--mem-bind=local", "--nodelist=n1", "--nice"]
        assert spec(folder, sbatch=options).items("sbatch") == tuple(options)

    def test_fields_without_meaning_here_are_fields(self) -> None:
        """The fields a local cluster ignores are fields."""
        assert {*SLURM_FIELDS} < {*NAMES}
