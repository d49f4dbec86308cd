"""`main.py` on thousands of broken specs and command lines: a plan or a plain refusal, always."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from in_process import Outcome, ended

from nthrun.commands.run import run

ROOT = Path(__file__).parents[2]
AGENT = ROOT / "config/agent/SAC_classic_sweep.json"
ENVIRONMENT = ROOT / "config/environment/PendulumContinuous-v1.json"
SPECS = ("--env-json", str(ENVIRONMENT), "--agent-json", str(AGENT))
PLAN = re.compile(r"SAC on Pendulum-v1: [0-9]+ settings?\nrecords go to ")
fuzzed = partial(
    settings,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def main(*arguments: str) -> Outcome:
    """`main.py` in this process."""
    return ended(run, *arguments)


def check(outcome: Outcome, *starts: str) -> None:
    """Exit 0 with a plan or the help and no complaint, or exit 2 with nothing but error lines.

    Args:
        outcome: of a command line with `--describe`.
        starts: what every error line starts with, one of these, after "error: ".
    """
    if outcome.code == 0:
        assert PLAN.match(outcome.out) or outcome.out.startswith("Usage: "), outcome
        assert outcome.err == "", outcome
        return
    assert outcome.code == 2, outcome
    assert outcome.out == "", outcome
    assert outcome.err.endswith("\n"), outcome
    for line in outcome.errors:
        assert line.startswith(tuple(f"error: {start}" for start in starts or ("",))), outcome
        assert not line.startswith("error: unexpected "), outcome
        assert len(line) > len("error: "), outcome
    assert "Traceback" not in outcome.err, outcome


@pytest.fixture(autouse=True)
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Nothing trains or verifies here: such attempts are listed instead."""
    attempts: list[str] = []

    def attempt(name: str, spec: object, request: object) -> int:
        attempts.append(name)
        return 0

    for name in ("train", "verify"):
        double = SimpleNamespace(**{name: partial(attempt, name)})
        monkeypatch.setitem(sys.modules, f"nthrun.commands.{name}", double)
    return attempts


# Broken specs ------------------------------------------------------------------------------------


@dataclass(slots=True)
class Pairs:
    """A mapping whose keys may repeat."""

    items: list[tuple[str, Any]]


def words(text: str) -> list[str]:
    """What spaces separate."""
    return text.split()


class Literal(str):
    """Text that goes into the file as it is."""


LITERALS = (
    *words("NaN Infinity -Infinity 1e999 -1e999 1e-3 1e-999 -0 -0.0 .5 5. +1 010 1_000 tru True"),
    *words("yes ~ '' 1:30 2001-01-01 2001-99-99 { [ ] } : , # | > % @ *a \" ' /**/1 //1"),
    *("{a: 1}", "- 1", "&a [*a]", "? [1]", "<<: {tau: 1}", "!x y", "\t1", "\x0b", "\ufeff1"),
    *("!!int ''", "!!float ''", "!!bool 3", "!!timestamp x", "!!binary eA==", "!!set {1}"),
    *('"\\ud800"', '"\\u0000"', '"\\q"', "!!python/name:os.system", "[" * 50 + "]" * 50, "[" * 500),
    *("9" * 25, "9" * 400, "9" * 5000, "0x" + "f" * 5000),
)
SCALARS = (
    *(None, True, False, 0, 1, -1, 2, 64, 1000, 2**31, 2**63, 10**12, 10**13, -(10**30)),
    *(0.0, 0.5, 0.001, 1.0, 1.5, -0.5, 1e-300, 1e300, 5e-324),
    *words("SAC Pendulum-v1 sac SquashedGaussian relu tanh 1e-3 0.1 metrics best é a/b a.b ∞ 1"),
    *("", " ", "\n", "\x1b[31m", "\ud800", "\x00", "x" * 5000),
)
KEYS = (
    *words("agent_name env_name parameters critic_lr actor_lr_scale alpha tau betas batch_size"),
    *words("replay_capacity hidden_dim activation policy_type batch_size/replay_capacity a/b/c"),
    *words("alpha/critic_lr alpha/alpha / alpha/ total_timesteps gamma rewards rewards.goal"),
    *words("start_state record snapshots continuous eval_episodes steps_per_episode << Alpha"),
    *words("overwrite_rewards critic-lr critc_lr . a.b é null 1"),
    *("", " ", "\n", "\ud800", "x" * 3000),
)
CORRUPTIONS = ("cut", "byte", "bytes", "lines", "empty", "suffix", "mark")


class Mutation:
    """Breaks a pair of specs in ways that a random generator chooses."""

    def __init__(self, generator: random.Random) -> None:
        self.random = generator

    def pair(self) -> dict[str, bytes]:
        """File name -> content of an agent's and an environment's file."""
        agent, environment = (self._file(path) for path in (AGENT, ENVIRONMENT))
        if self._one_in(50):
            agent, environment = environment, agent
        return {f"agent{agent[0]}": agent[1], f"environment{environment[0]}": environment[1]}

    def _one_in(self, number: int) -> bool:
        return self.random.randrange(number) == number // 2

    def _file(self, path: Path) -> tuple[str, bytes]:
        tree = json.loads(path.read_bytes(), object_pairs_hook=Pairs)
        for _ in range(self.random.choice((0, 0, 0, 1, 1, 2, 5))):
            tree = self._changed(tree)
        is_yaml = self._one_in(4) and isinstance(tree, Pairs)
        text = block(tree) if is_yaml and not self._one_in(4) else flow(tree)
        suffix = ".yaml" if is_yaml else ".json"
        content = text.encode("utf-8", "surrogatepass")
        for _ in range(self.random.choice((0,) * 8 + (1, 2))):
            suffix, content = self._corrupted(suffix, content)
        return suffix, content

    def _changed(self, tree: Any) -> Any:
        spots = [found.items for found in mappings(tree)]
        if not spots or self._one_in(50):
            return self._junk()
        spot = self.random.choice(spots)
        kind = self.random.choice(("add", "delete", "rename", "repeat", "value", "item", "item"))
        if kind == "add" or not spot:
            spot.insert(self.random.randint(0, len(spot)), (self._key(), self._junk()))
            return tree
        place = self.random.randrange(len(spot))
        key, value = spot[place]
        if kind == "delete":
            del spot[place]
        elif kind == "rename":
            spot[place] = (self._misspelt(key), value)
        elif kind == "repeat":
            spot.insert(self.random.randint(0, len(spot)), (key, value))
        elif kind == "item" and isinstance(value, list) and value:
            self._change_item(value)
        else:
            spot[place] = (key, self._wrapped(value))
        return tree

    def _change_item(self, values: list[Any]) -> None:
        place = self.random.randrange(len(values))
        kind = self.random.randrange(5)
        if kind == 0:
            del values[place]
        elif kind == 1:
            values.append(values[place])
        elif kind == 2 and isinstance(values[place], float):
            values[place] *= self.random.choice((0.5, 2, -1, 1e10))
        else:
            values[place] = self._junk()

    def _wrapped(self, value: Any) -> Any:
        kind = self.random.randrange(6)
        if kind == 0:
            return [value]
        if kind == 1 and isinstance(value, list) and value:
            return value[0]
        return Pairs([(self._key(), value)]) if kind == 2 else self._junk()

    def _key(self) -> str:
        return self.random.choice(KEYS)

    def _misspelt(self, key: str) -> str:
        place = self.random.randrange(len(key) + 1)
        letter = chr(self.random.choice((*range(32, 127), 0, 10, 233, 0x3B1, 0x1F600)))
        return self.random.choice(
            (self._key(), key[:place] + letter + key[place:], key[:place] + key[place + 1 :])
        )

    def _junk(self, depth: int = 0) -> Any:
        kind = self.random.randrange(8)
        if kind < 3:
            return self.random.choice(SCALARS)
        if kind == 3:
            return Literal(self.random.choice(LITERALS))
        if kind == 4 and depth == 0 and self._one_in(10):
            return self._tower(self.random.choice((10, 31, 32, 33, 40, 500)))
        if depth > 3:
            return depth
        items = [self._junk(depth + 1) for _ in range(self.random.randrange(4))]
        return items if kind < 7 else Pairs([(self._key(), item) for item in items])

    def _tower(self, height: int) -> Literal:
        start, end = self.random.choice((("[", "]"), ('{"a":', "}")))
        return Literal(start * height + "1" + end * height)

    def _corrupted(self, suffix: str, content: bytes) -> tuple[str, bytes]:
        kind = self.random.choice(CORRUPTIONS)
        place = self.random.randrange(len(content) + 1)
        before, after = content[:place], content[place:]
        if kind == "suffix":
            suffix = self.random.choice((".json", ".yaml", ".yml", ".txt", "", ".JSON"))
        elif kind == "mark":
            content = self.random.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"---\n")) + content
        elif kind == "byte":
            content = before + self.random.randbytes(1) + after[1:]
        elif kind == "bytes":
            content = before + self.random.randbytes(5) + after
        elif kind == "lines":
            content = content.replace(b",", b",\n" + b" " * self.random.randrange(5))
        else:
            content = before if kind == "cut" else b""
        return suffix, content


def mappings(tree: Any) -> Iterator[Pairs]:
    """Every mapping of a tree, its outermost first."""
    if isinstance(tree, Pairs):
        yield tree
        for _, value in tree.items:
            yield from mappings(value)


def flow(node: Any) -> str:
    """A tree as JSON, or as what would have been JSON."""
    if isinstance(node, Literal):
        return str(node)
    if isinstance(node, Pairs):
        return f"{{{', '.join(f'{json.dumps(key)}: {flow(value)}' for key, value in node.items)}}}"
    return f"[{', '.join(map(flow, node))}]" if isinstance(node, list) else json.dumps(node)


def block(node: Pairs, indent: str = "") -> str:
    """A mapping as YAML in block style."""
    lines = []
    for key, value in node.items:
        name = key if re.fullmatch(r"[A-Za-z_/.]+", key) else json.dumps(key)
        if isinstance(value, Pairs) and value.items:
            lines.append(f"{indent}{name}:\n{block(value, indent + '  ')}")
        else:
            lines.append(f"{indent}{name}: {flow(value)}\n")
    return "".join(lines)


@pytest.mark.parametrize("number", [500, pytest.param(5000, marks=pytest.mark.slow)])
def test_broken_specs(tmp_path: Path, trained: list[str], number: int) -> None:
    """Broken pairs of specs are described or refused in plain lines that name the file."""
    codes: Counter[object] = Counter()

    @fuzzed(max_examples=number)
    @given(generator=st.randoms(use_true_random=False), index=st.integers(0, 200))
    def describe(generator: random.Random, index: int) -> None:
        for path in tmp_path.iterdir():
            path.unlink()
        names = []
        for name, content in Mutation(generator).pair().items():
            (tmp_path / name).write_bytes(content)
            names.append(str(tmp_path / name))
        options = ("--agent-json", names[0], "--env-json", names[1], "--index", str(index))
        outcome = main("--describe", *options)
        check(outcome, *names)
        assert outcome.code == 2 or f"\nindex {index}: setting " in outcome.out
        codes[outcome.code] += 1

    describe()
    assert codes.total() >= number
    assert min(codes[0], codes[2]) > number / 10, codes
    assert trained == []


# Broken command lines ----------------------------------------------------------------------------

WORDS = (
    *words("- -- -1 0 1 -0 1.5 1e3 0-3 3-1 0,5 1, 0x10 nan auto cpu cuda tpu AUTO * $(x) ~ .."),
    *words("--index --describe --help -h -m -a -am -x --bogus --Index --env --index= --index=3"),
    *words("--index=-3 --stage=1 --pack=0 --rerun=yes --save-dir=x ../../x / /dev/null no.json"),
    *words("no/such.yaml results é ① ٣ １２ ∞ 😀 \u202e0 \udcff \x7f"),
    *("", " ", "a\nb", "a\tb", "\x1b[31m", "\u2028"),
    *("9" * 18, "9" * 30, "9" * 400, "9" * 5000, "0-" + "9" * 30, "x" * 5000),
    *map(str, (ROOT, AGENT, ENVIRONMENT, ROOT / "main.py", AGENT / "x")),
)
VALUED = (
    *words("--env-json --agent-json --index --save-dir -a --after --stage --device --pack"),
    *words("--workers --backend"),
)
FLAGS = words("-m --monitor --rerun --overwrite --retry-failed --verify --describe")
ANY_WORD = st.sampled_from(WORDS) | st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), max_size=10
)
PARTS = st.one_of(
    st.tuples(st.sampled_from(VALUED), ANY_WORD),
    st.tuples(st.sampled_from(VALUED), st.sampled_from(("0", "1", "8", "x"))),
    st.tuples(st.sampled_from(FLAGS)),
    st.tuples(ANY_WORD),
)
COMMAND_LINES = st.builds(
    lambda base, more, order, end: [*order.sample([*base, *more], len(base) + len(more)), end],
    st.sets(st.sampled_from([SPECS[:2], SPECS[2:], ("--index", "0-3")])).map(sorted)
    | st.just([SPECS[:2], SPECS[2:], ("--index", "0-3")]),
    st.lists(PARTS, max_size=4),
    st.randoms(use_true_random=False),
    st.sampled_from([*[()] * 3 * len(VALUED), *((option,) for option in VALUED)]),
)


@pytest.mark.parametrize("number", [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_broken_command_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: list[str], number: int
) -> None:
    """Command lines with options missing, doubled, misspelt, reordered and of wild values,
    --describe among them, are described or refused in plain lines."""
    monkeypatch.chdir(tmp_path)
    codes: Counter[object] = Counter()

    @fuzzed(max_examples=number)
    @given(parts=COMMAND_LINES, place=st.integers(0, 8))
    def describe(parts: list[tuple[str, ...]], place: int) -> None:
        # An option left without its value would take --describe for it, so it may only come last.
        parts.insert(min(place, len(parts) - 1), ("--describe",))
        outcome = main(*(word for part in parts for word in part))
        check(outcome)
        codes[outcome.code] += 1

    describe()
    assert codes.total() >= number
    assert min(codes[0], codes[2]) > number / 10, codes
    assert trained == []
    assert list(tmp_path.iterdir()) == []


BAD_VALUES = {
    "--index": ("", "x", "-1", "3-1", "1-", "1,,2", "1.0", "0-99999999", "１", str(80 * 2**32)),
    "--device": ("", "tpu", "CPU", "cuda:0", "auto,cpu"),
    "--backend": ("", "Eager", "native"),
    "--workers": ("", "0", "-1", "1.5", "auto", "1025", "9" * 5000),
    "--pack": ("", "0", "-1", "1.5", "Auto", "65537", "²", "9" * 5000),
    "--stage": ("", "-1", "1.5", "x", str(2**20 + 1), "9" * 5000),
    "--after": ("", "-2", "x", "1e3"),
    "--agent-json": ("", "no.json", str(ROOT)),
    "--env-json": ("", "no.json", str(ROOT)),
}
BAD_OPTIONS = (
    *(("--index", "0", option, value) for option, bad in BAD_VALUES.items() for value in bad),
    ("--index", "9" * 30),
    ("--index", "9" * 5000),
    ("--index", "0", "--rerun", "--stage", "2"),
    ("--index", "0", "--verify=1"),
    ("--index", "0", "extra"),
    ("--index", "0", "--", "--describe"),
    ("--index", "0", "--save-dir"),
    ("--index",),
    (),
)


@pytest.mark.parametrize("options", BAD_OPTIONS, ids=lambda options: " ".join(options)[:40])
def test_bad_options_are_refused_before_training(
    options: tuple[str, ...], trained: list[str]
) -> None:
    """Without --describe, a bad value is refused with exit code 2 before anything trains, in one
    line that names the option, the index or the file."""
    outcome = main(*SPECS, *options)
    assert trained == []
    assert outcome.code == 2, outcome
    check(outcome)
    assert len(outcome.errors) == 1
    named = [word.strip("-") or '""' for word in options if word != "0"]
    assert any(word.partition("=")[0] in outcome.err for word in (*named, "--index")), outcome


def test_good_options_train(trained: list[str]) -> None:
    """The refusals above are not for want of a way to train: with good options it is tried."""
    assert main(*SPECS, "--index", "0").code == 0
    assert main(*SPECS, "--index", "0-3", "--verify").code == 0
    assert trained == ["train", "verify"]


def test_a_missing_index_is_explained(tmp_path: Path) -> None:
    """Without --index the message tells what it is, how many settings there are, and what to
    write."""
    outcome = main(*SPECS)
    check(outcome)
    [line] = outcome.errors
    assert "--index is missing: which runs to train, counting from 0" in line
    assert "this spec has 80 settings" in line
    assert "0-79 is one run of each and 80-159 the second" in line
    assert "hint: add for example --index 0, or --settings 0-9" in line
    single = tmp_path / "single.json"
    single.write_text('{"agent_name": "SAC", "parameters": {}}')
    outcome = main(*SPECS[:2], "--agent-json", str(single))
    assert "this spec has 1 setting," in outcome.err


def test_faults_of_both_files_come_together(tmp_path: Path) -> None:
    """Every fault of both files is told at once, one line each, with file and key."""
    agent, environment = tmp_path / "agent.json", tmp_path / "environment.yaml"
    agent.write_text(
        '{"agent_name": "SAC", "parameters": {"critic_Ir": 1, "tau": [2], "alpha": []}}'
    )
    environment.write_text("{env_name: Pendulum-v1, gamma: .nan, rewards: {goal: high}}")
    outcome = main("--describe", "--env-json", str(environment), "--agent-json", str(agent))
    check(outcome, str(agent), str(environment))
    assert sorted(line.split(": ")[1:3] for line in outcome.errors) == [
        [str(agent), "parameters.alpha"],
        [str(agent), "parameters.critic_Ir"],
        [str(agent), "parameters.tau"],
        [str(environment), "gamma"],
        [str(environment), "rewards.goal"],
        [str(environment), "total_timesteps"],
    ]


def test_describe_tells_what_an_index_means() -> None:
    """The plan shows the number of settings, where records go, each digit and each index."""
    outcome = main(
        *SPECS, "--describe", "--index", "0,1,4,20,80", "--save-dir", "x", "--stage", "1"
    )
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[0] == "SAC on Pendulum-v1: 80 settings"
    assert lines[1] == "records go to results/x/Pendulum-v1_SAC_SquashedGaussian/runs"
    first = "alpha 0.001, critic_lr 1e-05, actor_lr_scale 0.1"
    seed = 2**32
    assert [line for line in lines if line.startswith("index ")] == [
        f"index 0: setting 0, run 0, stage 1, seed {seed}: {first}",
        f"index 1: setting 1, run 0, stage 1, seed {seed}: {first.replace('0.001', '0.01')}",
        f"index 4: setting 4, run 0, stage 1, seed {seed}: {first.replace('1e-05', '0.0001')}",
        f"index 20: setting 20, run 0, stage 1, seed {seed}: {first.replace('0.1', '1.0')}",
        f"index 80: setting 0, run 1, stage 1, seed {seed + 1}: {first}",
    ]


@pytest.mark.parametrize(
    "options", [("--help",), (*SPECS, "--describe", "--index", "0-99", "--save-dir", "not_there")]
)
def test_help_and_describe_need_no_torch(options: tuple[str, ...]) -> None:
    """`--help` and `--describe` work as a process and import neither torch nor gymnasium."""
    command = [sys.executable, "-X", "importtime", str(ROOT / "main.py"), *options]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert PLAN.match(done.stdout) or done.stdout.startswith("Usage: main.py [OPTIONS]")
    imported = {
        line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()
    }
    assert {"nthrun", "click"} <= imported
    assert imported.isdisjoint({"torch", "gymnasium", "matplotlib", "h5py"})


def test_help_names_every_option() -> None:
    """`--help` shows every option with its words, exits 0 and complains of nothing."""
    outcome = main("--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert main("-h") == outcome
    for option in run.params:
        assert option.opts[-1] in outcome.out
        assert getattr(option, "help", None)


def test_a_path_that_is_not_unicode_comes_out_as_typed() -> None:
    """A save dir of bytes that are no UTF-8 is described byte for byte."""
    outcome = main(*SPECS, "--describe", "--save-dir", "caf\udce9")
    check(outcome)
    assert (
        "\nrecords go to results/caf\udce9/Pendulum-v1_SAC_SquashedGaussian/runs\n" in outcome.out
    )
