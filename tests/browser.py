"""A real browser for tests: headless Chromium, from the system's packages where it is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from slurm.installing import SCRIPT

PACKAGES = ("chromium", "chromium-driver")
PROGRAMS = ("chromium", "chromedriver")
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--force-color-profile=srgb"),
    "--window-size=1100,900",
)
WATCH_POLICY = """
const policyViolations = [];
addEventListener("securitypolicyviolation", (event) => {
  policyViolations.push(event.effectiveDirective);
});
"""


class Browser:
    """Chromium with one page open at a time.

    Attributes:
        driver: selenium's.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self._tell("Page.addScriptToEvaluateOnNewDocument", source=WATCH_POLICY)

    def open(self, page: Path, scripts: bool = True) -> None:
        """Show a file, with its scripts or without."""
        self.driver.get("about:blank")
        self._tell("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.driver.get_log("browser")
        self.driver.get(page.absolute().as_uri())

    def look(self, width: int = 1100, dark: bool = False) -> None:
        """Another width of the window, in pixels, and the colours that the system prefers."""
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._tell("Emulation.setEmulatedMedia", features=features)
        self._tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script that runs in the page returns."""
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> Any:
        """The first element that a CSS selector has; there is one."""
        return self.driver.find_element("css selector", selector)

    def find_all(self, selector: str) -> list[Any]:
        """Every element that a CSS selector has."""
        found: list[Any] = self.driver.find_elements("css selector", selector)
        return found

    def complaints(self) -> list[str]:
        """What the console says since the page was opened."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def policy_violations(self) -> list[str]:
        """What the page's policy has forbidden since it was opened, directive by directive."""
        violations: list[str] = self.run("return policyViolations")
        return violations

    def asked_for(self) -> list[str]:
        """The addresses that the page has asked for, itself included."""
        found: list[str] = self.run(
            "return performance.getEntries().filter(e => e.entryType === 'resource'"
            " || e.entryType === 'navigation').map(e => e.name)"
        )
        return found

    def picture(self, path: Path, whole: bool = True) -> None:
        """Save a picture of the page as PNG."""
        import base64  # noqa: PLC0415

        found = self._tell("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def _tell(self, command: str, **parameters: Any) -> Any:
        return self.driver.execute_cdp_cmd(command, parameters)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium; the test is skipped where there is none and none can be installed."""
    if problem := _missing():
        pytest.skip(problem)
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program, driver_program = (shutil.which(name) for name in PROGRAMS)
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(driver_program)
    driver = webdriver.Chrome(options, service)
    yield Browser(driver)
    driver.quit()


def _missing() -> str:
    """Why there is no Chromium; empty where there is one, which this may have installed."""
    if all(map(shutil.which, PROGRAMS)):
        return ""
    advice = f"hint: apt-get install --no-install-recommends {' '.join(PACKAGES)}"
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return f"no Chromium, and no right or no apt-get to install it; {advice}"
    command = ["sh", "-c", SCRIPT, "install", "--no-remove", *PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"no Chromium: {' '.join(done.stderr.split()) or 'apt-get failed'}; {advice}"
    return ""
