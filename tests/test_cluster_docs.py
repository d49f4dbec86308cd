"""Laws of clusters/: its README is the code's, and every file in it is a valid spec."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from test_config_docs import row, rows

from nthrun.specs.cluster_spec import FIELDS, read_cluster_spec
from nthrun.specs.field import plain

SLURM_FIELDS = (
    "account",
    "coresPerNode",
    "output",
    "email",
    "emailType",
    "partition",
    "qos",
    "gpuType",
    "arrayLimit",
    "submitLimit",
    "parallel",
    "wholeNode",
    "setup",
    "prefix",
    "python",
    "signalSeconds",
    "sbatch",
)
"""Fields that mean nothing to the scheduler `local`, which ignores them."""
CLUSTERS = Path(__file__).parents[1] / "clusters"
README = (CLUSTERS / "README.md").read_text(encoding="utf-8")
FILES = sorted(CLUSTERS.glob("*.json"))
EXAMPLES = re.findall(r"^```json\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def section(title: str) -> str:
    """The text under a title."""
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_table_is_the_code() -> None:
    """The table has one row for each field, in the code's order and words."""
    expected = [row(field) for field in FIELDS]
    assert rows(section("Fields")) == expected, "\n".join(["it should be:", *expected])


def test_the_template_names_every_field_at_its_default() -> None:
    """The template names every field in the code's order, at its default where it has one."""
    written = json.loads((CLUSTERS / "template.json").read_text())
    defaults = {field.name: plain(field.default) for field in FIELDS}
    assert list(written.items()) == list((defaults | {"time": written["time"]}).items())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shipped_cluster_is_accepted(path: Path) -> None:
    """Every shipped file is a spec of the file's name, whose account is to be filled in."""
    spec = read_cluster_spec(str(path))
    assert spec.name == path.stem
    assert spec.text("account") in ("", "def-someone")
    assert spec.cores_per_task >= 1


def test_every_file_is_listed() -> None:
    """The files of the folder are the README and those it lists, each once."""
    listed = re.findall(r"^\| `(\w+\.json)`", README.split("\n## ")[0], re.MULTILINE)
    assert sorted(listed) == [path.name for path in FILES]
    assert {path.name for path in CLUSTERS.iterdir()} == {*listed, "README.md"}


def test_the_readme_says_what_means_nothing_here() -> None:
    """The fields that a local cluster ignores are named, and no others."""
    [sentence] = re.findall(r"mean nothing: (.*?)\.", section("Fields"), re.DOTALL)
    assert re.findall(r"`(\w+)`", sentence) == list(SLURM_FIELDS)


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_are_accepted(text: str, tmp_path: Path) -> None:
    """Every example in the README is a spec."""
    path = tmp_path / "example.json"
    path.write_text(text)
    assert read_cluster_spec(str(path)).text("account") == "def-someone"


def test_the_local_cluster_has_this_machine() -> None:
    """The local file needs no account, time or number of cores."""
    spec = read_cluster_spec(str(CLUSTERS / "local.json"))
    assert (spec.is_local, spec.time_seconds, spec.device) == (True, None, "cpu")


@pytest.mark.parametrize(
    ("old", "new"),
    [("Cedar", "Fir"), ("Graham", "Nibi"), ("Béluga", "Rorqual"), ("Niagara", "Trillium")],
)
def test_successors_are_named(old: str, new: str) -> None:
    """The README says which cluster has taken which one's place, and that one has a file."""
    assert f"{old} by {new}" in " ".join(section("Clusters of the Alliance").split())
    assert (CLUSTERS / f"{new.lower()}.json").exists()
