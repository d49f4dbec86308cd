"""Laws of utils/plot_decision_rules.py: what is drawn is what the agent and the oracle do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import plots
import pytest
import torch
from builders import make_experiment, make_run
from matplotlib.figure import Figure
from matplotlib.image import imread
from model_runs import recorded_run
from processes import call

from nthrun.analysis.figures.decision_rules import decision_rules_figure
from nthrun.commands.decision_rules import View, rule_picture
from nthrun.environments.bewley.calibration import (
    Calibration,
    Taxes,
    TaxSchedule,
    Technology,
    interest_rate,
    wage,
)
from nthrun.environments.bewley.equilibrium import solve
from nthrun.errors import NthrunError
from nthrun.training.saved_policy import Policy, last_evaluation, read_learned, restored

SCRIPT = "utils/plot_decision_rules.py"
HOUSEHOLDS = 8
LEARNED, SAME, EQUILIBRIUM = range(3)


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Experiments of two solvers of Bewley, and one of GHM."""
    agents = ("euler_quadrature", "euler_all_in_one", "barrier")
    return {agent: recorded_run(tmp_path_factory.mktemp(agent), agent) for agent in agents}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def drawn(figure: Figure, number: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(x, y) of a line in each panel: consumption, labour, savings, savings ratio."""
    lines = [axes.get_lines()[number] for axes in figure.axes]
    return [(np.asarray(line.get_xdata()), np.asarray(line.get_ydata())) for line in lines]


def seen(policy: Policy, world: int) -> torch.Tensor:
    """What is observed at the end of an evaluation episode, `(1, observation_dim)`."""
    states, _ = last_evaluation(policy)
    return policy.program.environment.observe(states[world][None])


@pytest.mark.parametrize("agent", ["euler_quadrature", "euler_all_in_one"])
def test_the_agent_decides(roots: dict[str, Path], agent: str) -> None:
    """As wealth varies, savings ratio and labour are what the agent does in evaluation, and
    consumption and savings what they leave of income and wealth at the prices observed; all that
    the other households have stays."""
    view = View(bounds=(0.1, 6.0), points=7, household=2, world=1)
    learned = read_learned(roots[agent], step=20)
    figure = decision_rules_figure(rule_picture(learned, view))
    policy = restored(learned)
    observation = seen(policy, 1).repeat(7, 1)
    wealth = np.linspace(0.1, 6.0, 7)
    observation[:, 2] = torch.from_numpy(wealth).float()
    action = policy.program.act_greedily(policy.state, observation[None])[0].double().numpy()
    (_, consumption), (x, labour), (_, savings), (_, share) = drawn(figure, LEARNED)
    np.testing.assert_array_equal(x, wealth)
    np.testing.assert_allclose(labour, action[:, HOUSEHOLDS + 2], rtol=1e-12)
    np.testing.assert_allclose(share, action[:, 2], rtol=1e-12)
    ability, (r, w) = float(observation[0, HOUSEHOLDS + 2]), observation[0, -2:].double().numpy()
    held = w * ability * labour + (1 + r) * wealth
    np.testing.assert_allclose(consumption + savings, held, rtol=1e-6)
    np.testing.assert_allclose(savings, share * held, rtol=1e-6)


def test_the_oracle_s_rules(roots: dict[str, Path]) -> None:
    """The equilibrium's line is the oracle's consumption, labour and savings for the household's
    ability, and says at which prices."""
    view = View(points=9, household=1)
    picture = rule_picture(read_learned(roots["euler_quadrature"]), view)
    figure = decision_rules_figure(picture)
    exact = solve(Calibration(), 5)
    wealth = np.linspace(0.1, 10.0, 9)
    policy = restored(read_learned(roots["euler_quadrature"]))
    ability = float(seen(policy, 0)[0, HOUSEHOLDS + 1])
    states = np.full(9, np.argmin(np.abs(exact.chain.values - ability)))
    found = drawn(figure, EQUILIBRIUM)
    rules = (exact.consumption, exact.labour, exact.savings)
    for (x, y), rule in zip(found, rules, strict=False):
        np.testing.assert_array_equal(x, wealth)
        np.testing.assert_allclose(y, rule(wealth, states), rtol=1e-12)
    labels = list(picture.lines)
    assert f"r = {100 * exact.r:.2f} %, w = {exact.w:.3f}" in labels[EQUILIBRIUM]
    assert labels[SAME].startswith("exact rules at the world's prices: r = ")


def test_ability_and_savings_vary(roots: dict[str, Path]) -> None:
    """Ability varies over the chain, at whose states the agent decides; forced savings are a line
    on which the exact rules at the same prices have their choice."""
    learned = read_learned(roots["euler_all_in_one"])
    values = solve(Calibration(), 5).chain.values
    figure = decision_rules_figure(rule_picture(learned, View("ability", points=9)))
    policy = restored(learned)
    observation = seen(policy, 0).repeat(5, 1)
    observation[:, HOUSEHOLDS] = torch.from_numpy(values).float()
    action = policy.program.act_greedily(policy.state, observation[None])[0].numpy()
    x, share = drawn(figure, LEARNED)[3]
    np.testing.assert_allclose(x[::2], values, rtol=1e-9)
    np.testing.assert_allclose(share[::2], action[:, 0], rtol=1e-5)
    np.testing.assert_allclose(share[1::2], (action[1:, 0] + action[:-1, 0]) / 2, rtol=1e-5)
    learned = read_learned(roots["euler_quadrature"])
    figure = decision_rules_figure(rule_picture(learned, View("savings", points=1000)))
    for point, (x, y) in zip(drawn(figure, SAME), drawn(figure, 2), strict=True):
        assert len(point[0]) == 1
        assert point[1][0] == pytest.approx(np.interp(point[0][0], x, y), abs=2e-5)


def test_the_script_writes_a_picture(tmp_path: Path, roots: dict[str, Path]) -> None:
    """By default the file is named after the household and the world; its suffix says its kind."""
    root = str(roots["euler_quadrature"])
    done = call(SCRIPT, root, "--household", "3", "--world", "2", cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("decision_rules_agent3_batch2.png\n", "")
    picture = imread(tmp_path / "decision_rules_agent3_batch2.png")
    assert picture.min() < 0.2 and picture.max() == 1.0
    for kind, begin in (("pdf", b"%PDF-"), ("svg", b"<?xml")):
        path = tmp_path / "new" / f"rules.{kind}"
        assert plots.drawn("decision_rules", root, "--points", "3", "--out", path) == [path]
        assert path.read_bytes().startswith(begin)


@pytest.mark.parametrize(
    ("agent", "asked", "said"),
    [
        ("barrier", "", "decision rules are of Bewley, got GHM"),
        ("euler_quadrature", "--step 15", "--step 15: .*, allowed: 0,10,20,30; hint: "),
        ("euler_quadrature", "--household 8", "--household 8: allowed: 0 to 7"),
        ("euler_quadrature", "--world -1", "--world -1: allowed: 0 to 2"),
        ("euler_quadrature", "--range 3 1", "--range 3 1: allowed for wealth: LO < HI"),
        ("euler_quadrature", "--out x.gif", "x.gif: .*, allowed: .png, .pdf, .svg"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    here: Path, roots: dict[str, Path], agent: str, asked: str, said: str
) -> None:
    """Another environment, and steps, households, worlds, ranges and files that there are not, are
    told in one line, and there is no picture."""
    with pytest.raises(NthrunError, match=said) as caught:
        plots.drawn("decision_rules", roots[agent], *asked.split())
    assert len(caught.value.lines()) == 1
    assert list(here.iterdir()) == []


def test_the_script_says_what_is_wrong(tmp_path: Path, roots: dict[str, Path]) -> None:
    """An error of the script is one line and exit code 2."""
    options = ("--vary", "savings", "--range", "0.5", "1")
    done = call(SCRIPT, str(roots["euler_quadrature"]), *options, cwd=tmp_path)
    said = "error: --range 0.5 1: allowed for savings: LO < HI from 0 to 0.999\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


@pytest.mark.slow
def test_what_a_record_does_not_hold_is_the_equilibrium_s(tmp_path: Path) -> None:
    """Where households see neither prices nor the rebate, the budget is that of the world's prices
    and the equilibrium's rebate, and the agent decides by the labour of the world."""
    taxes = {"calibration.income_tax": 0.2, "calibration.rebated": True}
    root = recorded_run(tmp_path, "euler_all_in_one", taxes | {"observation": "cross_section"})
    learned = read_learned(root)
    policy, firms = restored(learned), Technology()
    taxed = Calibration(taxes=Taxes(TaxSchedule(0.2), rebated=True))
    exact = solve(taxed, 5)
    assert exact.rebate > 0.05
    policy.state["rebate"].fill_(exact.rebate)
    policy.state["labour"].fill_(exact.aggregates.labour)
    states, _ = last_evaluation(policy)
    policy.state["labour"].fill_(states[0, -1])
    observation = policy.program.environment.observe(states[:1])
    action = policy.program.act_greedily(policy.state, observation[None])[0, 0].double()
    figure = decision_rules_figure(rule_picture(learned, View("savings")))
    (share, consumption), (_, labour), (_, savings), _ = drawn(figure, LEARNED)
    assert (share, labour) == (action[0], action[HOUSEHOLDS])
    ratio = float(observation[0, :HOUSEHOLDS].mean() / states[0, -1])
    r, w = interest_rate(firms, ratio), wage(firms, ratio)
    wealth, ability = (float(observation[0, place]) for place in (0, HOUSEHOLDS))
    held = 0.8 * (w * ability * labour + r * wealth) + wealth + exact.rebate
    np.testing.assert_allclose(consumption + savings, held, rtol=1e-5)


def test_where_wealth_would_grow_without_bound(tmp_path: Path) -> None:
    """Where a world pays so much interest that there are no exact rules, the picture says so, and
    has the equilibrium's and the policy's."""
    root = recorded_run(tmp_path, "egm", {"initial_wealth": 1.0, "steps_per_episode": 1})
    picture = rule_picture(read_learned(root), View(points=3))
    assert picture.title.endswith("\nno exact rules at these prices")
    assert [label[:22] for label in picture.lines] == [
        "policy of egm after 30",
        "exact rules at equilib",
    ]
    figure = decision_rules_figure(picture)
    played, exact = drawn(figure, 0), drawn(figure, 1)
    for part in (1, 3):  # labour and the share saved, which the agent plays at any prices
        np.testing.assert_allclose(played[part][1], exact[part][1], rtol=0.02)


def test_other_experiments_are_told(tmp_path: Path) -> None:
    """A run of another agent in another environment is refused by name."""
    root = make_experiment(tmp_path / "exp", runs=[make_run(0, 0, 0)]).root
    with pytest.raises(NthrunError, match="decision rules are of Bewley, got Pendulum-v1"):
        plots.drawn("decision_rules", root, "--out", tmp_path / "x.png")
