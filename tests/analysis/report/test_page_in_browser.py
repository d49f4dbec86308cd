"""Laws of the page in a real browser: what acts when it is used, and that nothing else happens."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from analysis.report.report_sweep import NUM_SETTINGS, page_of, parameters, sweep
from browser import Browser
from builders import make_experiment, make_run, make_solver_run
from processes import ROOT
from selenium.webdriver import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

pytestmark = pytest.mark.browser

DEMO = ROOT / "docs/demo"
TABLE = "#experiment-0 .settings"
CHART = "#experiment-0 .curves"
PARALLEL = "#experiment-0 .parallel"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a confirmed sweep and of another experiment of its environment."""
    folder = tmp_path_factory.mktemp("report")
    other = sweep(folder / "other", confirmed=False)
    return page_of({"one": sweep(folder / "one"), "other": other}, folder / "report.html")


@pytest.fixture
def page(browser: Browser, made: Path) -> Browser:
    """That page, open."""
    browser.look()
    browser.open(made)
    return browser


def column(browser: Browser, number: int) -> list[str]:
    """The cells of a column of the table of settings."""
    cells: list[str] = browser.run(
        "return [...document.querySelectorAll(arguments[0])].map(cell => cell.textContent)",
        f"{TABLE} tbody tr > :nth-child({number + 1})",
    )
    return cells


def wait_for(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


class TestQuiet:
    def test_nothing_is_loaded(self, page: Browser) -> None:
        """The page of several experiments asks for itself alone, and the console says nothing."""
        shown = "return [...document.images].every(i => i.complete && i.naturalWidth > 0)"
        wait_for(lambda: page.run(shown))
        assert all(one.startswith(("file:", "data:")) for one in page.asked_for())
        assert page.complaints() == []

    def test_network_is_forbidden(self, page: Browser) -> None:
        """Even a script that runs in the page can load nothing."""
        failed = page.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "fetch('data:text/plain,x').then(() => done(false), () => done(true));"
        )
        assert failed
        assert page.policy_violations() == ["connect-src"]
        page.complaints()

    def test_policy_holds(self, page: Browser) -> None:
        """Nothing that a reader does with a chart, be it hovering, zooming, brushing or typing, is
        anything that the page's policy forbids."""
        for chart in page.find_all("#experiment-0 .paper > *"):
            page.run("arguments[0].scrollIntoView({block: 'center'})", chart)
            for script in ("arguments[0].style.zoom = 2", "arguments[0].style.zoom = 1"):
                hover = ActionChains(page.driver).move_to_element(chart).move_by_offset(20, 30)
                hover.scroll_from_origin(ScrollOrigin.from_element(chart), 0, -50)
                hover.double_click().click_and_hold().move_by_offset(0, 40).release().perform()
                page.run(script, chart)
        axis = page.find(f"{PARALLEL} .reach[data-axis='0']")
        page.run("arguments[0].scrollIntoView({block: 'center'})", axis)
        brush = ActionChains(page.driver).move_to_element(axis).click_and_hold()
        brush.move_by_offset(0, 60).release().perform()
        assert len(column(page, 1)) < NUM_SETTINGS
        page.find(f"{CHART} .legend button").click()
        page.find(f"{TABLE} thead button").click()
        page.find(f"{TABLE} input").send_keys("lost=0")
        assert page.policy_violations() == []

    @pytest.mark.parametrize(
        "name",
        ["solvers/GHM_mc_pg.h5", "MountainCar-v0_SoftmaxAC.json", "metrics/Pendulum-v1_SAC.h5"],
    )
    def test_demo(self, browser: Browser, tmp_path: Path, name: str) -> None:
        """Reports of the demo data run without complaint; that of a solver shows its oracle gap."""
        browser.open(page_of({"demo": DEMO / name}, tmp_path / "r.html"))
        assert browser.complaints() == []
        assert ("Oracle gap" in browser.find("body").text) == name.startswith("solvers")

    @pytest.mark.parametrize("case", ["one run", "all diverged", "no value", "no evaluation"])
    def test_little_data(self, browser: Browser, tmp_path: Path, case: str) -> None:
        """One run, runs that all diverged, with and without a value, and runs without evaluations
        each give a page without complaint, which says what there is."""
        lost = {"status": "diverged", "reason": "non-finite numbers"}
        nothing = np.empty((0, 0))
        runs, told = {
            "one run": ([make_run(0, 0, 0)], "is the only one"),
            "all diverged": (
                [make_run(n, 0, n, **lost) for n in range(3)],
                "without a finite value: 3.",
            ),
            "no value": (
                [make_run(n, 0, n, [], [], **lost, eval_episode_rewards=nothing) for n in range(2)],
                "no setting can be chosen",
            ),
            "no evaluation": (
                [
                    make_run(
                        0,
                        0,
                        0,
                        eval_episode_rewards=nothing,
                        eval_episode_steps=nothing,
                        timesteps_at_eval=np.empty(0, np.int64),
                    )
                ],
                "Setting 0 is the only one",
            ),
        }[case]
        experiment = make_experiment(tmp_path / "e", runs=runs)
        browser.open(page_of({"few": experiment.root}, tmp_path / "r.html"))
        assert browser.complaints() == []
        assert told in browser.find("body").text


class TestTable:
    def test_sorting(self, page: Browser) -> None:
        """A click on a header sorts by it, a second one the other way round, and it says so."""
        head = page.find(f"{TABLE} thead th:nth-child(2)")
        assert column(page, 0) == [str(n + 1) for n in range(NUM_SETTINGS)]
        head.find_element("css selector", "button").click()
        assert column(page, 1) == list("012345")
        head.find_element("css selector", "button").click()
        assert column(page, 1) == list("543210")
        assert head.get_attribute("aria-sort") == "descending"

    @pytest.mark.parametrize(
        ("text", "settings"),
        [("critic_lr<=0.1 decay=0.9", "34"), ("lost=1", "5"), ("lost!=0", "5"), ("zzz", "")],
    )
    def test_filter(self, page: Browser, text: str, settings: str) -> None:
        """Conditions typed into the filter keep the settings of which all of them hold."""
        page.find(f"{TABLE} input").send_keys(text)
        kept = f"{len(settings)} settings kept, of {NUM_SETTINGS}"
        wait_for(lambda: kept in page.find(f"{TABLE} .count").text)
        assert sorted(column(page, 1)) == list(settings)
        away = page.find_all(f"{PARALLEL} polyline.away")
        assert len(away) == NUM_SETTINGS - len(settings)


class TestCurves:
    def test_hover(self, page: Browser) -> None:
        """The values of all curves at the step under the pointer are told."""
        svg = page.find(f"{CHART} svg")
        page.run("arguments[0].scrollIntoView({block: 'center'})", svg)
        ActionChains(page.driver).move_to_element_with_offset(svg, 280, 0).perform()
        told = page.find(f"{CHART} output").text
        assert told.startswith("step 2") or told.startswith("step 3")
        assert "best: 0 (-2.4841 to 2.4841)" in told
        assert "best, seeds of stage 1: -2 (-4.4841 to 0.48414)" in told

    def test_keyboard(self, page: Browser) -> None:
        """Arrow keys move the cursor where there is no pointer."""
        page.run(f"document.querySelector('{CHART} svg').focus()")
        ActionChains(page.driver).send_keys("\ue014").perform()
        assert "best: -2" in page.find(f"{CHART} output").text

    def test_hiding(self, page: Browser) -> None:
        """A click on the legend hides a curve and its values, and another shows it again."""
        button = page.find(f"{CHART} .legend li[data-curve='1'] button")
        drawn = page.find(f"{CHART} g[data-curve='1']")
        page.run("arguments[0].scrollIntoView({block: 'center'})", button)
        for shows in (False, True):
            button.click()
            assert drawn.is_displayed() == shows
            assert button.get_attribute("aria-pressed") == str(shows).lower()
        button.click()
        page.run(f"document.querySelector('{CHART} svg').focus()")
        ActionChains(page.driver).send_keys("\ue014").perform()
        assert "stage 1" not in page.find(f"{CHART} output").text


class TestBrushing:
    def test_brush(self, page: Browser) -> None:
        """Dragging along an axis keeps the settings that cross it there, in plot and table, and
        they all come back when the brush is cleared."""
        axis = page.find(f"{PARALLEL} .reach[data-axis='1']")
        page.run("arguments[0].scrollIntoView({block: 'center'})", axis)
        height = axis.size["height"]
        drag = ActionChains(page.driver).move_to_element_with_offset(axis, 0, -int(height / 2) + 2)
        drag.click_and_hold().move_by_offset(0, int(height / 3)).release().perform()
        kept = {n for n in range(NUM_SETTINGS) if parameters(n)["decay"] == 0.9}
        assert set(map(int, column(page, 1))) == kept
        assert len(page.find_all(f"{PARALLEL} polyline.away")) == NUM_SETTINGS - len(kept)
        page.find(f"{TABLE} .tools button:last-child").click()
        assert len(column(page, 1)) == NUM_SETTINGS
        assert page.find_all(f"{PARALLEL} polyline.away") == []

    def test_pointing(self, page: Browser) -> None:
        """The setting under the pointer in the table is told of, and its line stands out."""
        row = page.find(f"{TABLE} tbody tr:nth-child(2)")
        page.run("arguments[0].scrollIntoView({block: 'center'})", row)
        first = row.find_element("css selector", "th")  # the row may go on beyond the window
        ActionChains(page.driver).move_to_element(first).perform()
        [line] = page.find_all(f"{PARALLEL} polyline.pointed")
        assert line.get_attribute("data-row") == row.get_attribute("data-row") == "1"
        assert "decay 0.9" in page.find(f"{PARALLEL} output").get_attribute("textContent")


class TestWithout:
    def test_scripts(self, browser: Browser, made: Path) -> None:
        """Without JavaScript the tables have their rows and all plots are seen."""
        browser.open(made, scripts=False)
        assert len(browser.find_all(f"{TABLE} tbody tr")) == NUM_SETTINGS
        assert browser.find_all(f"{TABLE} input") == []
        for selector in (f"{CHART} path.mean", f"{PARALLEL} polyline", "figure img", "pre.copied"):
            assert browser.find_all(selector)
        assert "Setting 4 is the best of 6" in browser.find("body").text

    def test_light(self, page: Browser) -> None:
        """The ground is dark where the system prefers it, and a narrow window scrolls tables and
        plots by themselves, never the page."""
        grounds = []
        for dark in (False, True):
            page.look(400, dark)
            grounds.append(page.run("return getComputedStyle(document.body).backgroundColor"))
            assert page.run("return document.documentElement.scrollWidth <= innerWidth")
        assert grounds == ["rgb(255, 255, 255)", "rgb(21, 24, 28)"]

    def test_paper(self, page: Browser) -> None:
        """It prints, without what only a screen can use."""
        pdf = page.driver.execute_cdp_cmd("Page.printToPDF", {})["data"]
        assert base64.b64decode(pdf).startswith(b"%PDF")
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        try:
            assert not page.find(f"{TABLE} .tools").is_displayed()
            assert page.find(f"{TABLE} table").is_displayed()
        finally:
            page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


class TestHostileNames:
    def test_harmless(self, browser: Browser, tmp_path: Path) -> None:
        """Names that are HTML or scripts are shown as they are, wherever they stand, and never
        run."""
        evil = "</script></style><script>window.pwned=1</script><img src=x onerror=pwned=1>'\"&${x}"
        values = {0: evil, 1: "</noscript><svg onload=pwned=1>"}
        runs = [
            make_run(
                2 * run + n,
                n,
                run,
                [-1.0 * n - run],
                [100],
                agent_params={evil: values[n], "lr": n},
                status="diverged" if run == 2 else "completed",
                reason=evil,
                provenance={"host": evil, "git_diff": "", "command_line": [evil], "attempts": []},
            )
            for n in range(2)
            for run in range(3)
        ]
        path = make_experiment(tmp_path / "e", 2, evil, runs).root
        browser.open(page_of({evil: path, "two": path}, tmp_path / "r.html", title=evil))
        assert browser.complaints() == []
        assert browser.run("return typeof window.pwned") == "undefined"
        assert browser.driver.title == evil
        text = browser.find("body").text
        for place in (f"Experiments\n{evil}", f"diverged: {evil}", f"{evil}: experiments together"):
            assert place.removeprefix("Experiments\n") in text
        assert values[1] in column(browser, 9) + column(browser, 10)
        wanted = browser.find(f"{TABLE} input")
        wanted.send_keys("onload=pwned")
        wait_for(lambda: len(column(browser, 0)) == 1)


@pytest.mark.slow
def test_many_settings(browser: Browser, tmp_path: Path) -> None:
    """A page of 10,000 settings is below 5 MB, opens, sorts and filters in seconds, and says what
    of them it shows."""
    number = 10_000
    runs = [
        make_run(
            run * number + n, n, run, [-abs(n - 5000.0)], [100], agent_params={"lr": n / number}
        )
        for n in range(number)
        for run in range(2)
    ]
    path = make_experiment(tmp_path / "e", number, runs=runs).root
    file = page_of({"many": path}, tmp_path / "r.html")
    assert file.stat().st_size < 5e6
    begun = time.monotonic()
    browser.open(file)
    browser.find(f"{TABLE} thead th:nth-child(3) button").click()
    browser.find(f"{TABLE} input").send_keys("lr<0.25")
    wait_for(lambda: "of 2500 settings kept, of 10000" in browser.find(f"{TABLE} .count").text)
    assert time.monotonic() - begun < 10
    assert len(column(browser, 0)) == 50
    assert "600 of 10000 settings" in browser.find("body").text
    assert browser.complaints() == []


def test_solver(browser: Browser, tmp_path: Path) -> None:
    """A solver without episodes is shown by its evaluations."""
    runs = [make_solver_run(n, 0, n) for n in range(3)]
    browser.open(
        page_of({"s": make_experiment(tmp_path / "e", runs=runs).root}, tmp_path / "r.html")
    )
    assert browser.complaints() == []
    assert "by evaluation return" in browser.find("body").text
