"""What pyproject.toml cannot say: which folders beside the package are shipped within it."""

from setuptools import find_namespace_packages, find_packages, setup

SHIPPED = {
    "config": "config",
    "clusters": "clusters",
    "demo": "docs/demo",
    "project": "docs/project",
}
"""Folder below nthrun/shipped in a wheel -> folder here, as `nthrun.specs.shipped` finds them."""


def shipped_packages() -> dict[str, str]:
    """Each folder that is shipped, and those below it, as a package without modules."""
    packages = {}
    for name, folder in SHIPPED.items():
        packages[f"nthrun.shipped.{name}"] = folder
        for below in find_namespace_packages(folder):
            packages[f"nthrun.shipped.{name}.{below}"] = f"{folder}/{below.replace('.', '/')}"
    return packages


shipped = shipped_packages()
setup(
    packages=[*find_packages(include=["nthrun*"]), *shipped],
    package_dir=shipped,
)
