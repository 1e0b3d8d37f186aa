"""Finding the checkout, from wherever somebody stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from codex_release.base.errors import WorkspaceError
from codex_release.facts.workspace import Workspace

REMEDY = "run from inside a checkout or name one with --repo DIR"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout, as far as it is recognized as one."""
    root = tmp_path.resolve() / "checkout"
    (root / "release").mkdir(parents=True)
    (root / "release" / "targets.toml").touch()
    (root / "scripts").mkdir()
    return root


def test_it_is_found_from_its_top_and_from_below(checkout: Path) -> None:
    deep = checkout / "sdk" / "src" / "package"
    deep.mkdir(parents=True)
    for cwd in (checkout, checkout / "release", deep):
        assert Workspace.find(repo=None, script=None, cwd=cwd).root == checkout


def test_the_nearest_of_two_is_taken(checkout: Path) -> None:
    inner = checkout / "vendored" / "release"
    inner.mkdir(parents=True)
    (inner / "targets.toml").touch()
    assert Workspace.find(repo=None, script=None, cwd=inner).root == inner.parent


def test_a_relative_working_directory_is_searched_upwards_too(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout / "scripts")
    assert Workspace.find(repo=None, script=None, cwd=Path()).root == checkout
    assert Workspace.find(repo=Path(".."), script=None, cwd=Path()).root == checkout


def test_the_script_of_a_checkout_works_on_its_own_checkout(checkout: Path, tmp_path: Path) -> None:
    script = checkout / "scripts" / "update_sdk_artifacts.py"
    assert Workspace.find(repo=None, script=script, cwd=tmp_path).root == checkout


def test_a_named_checkout_comes_before_all_others(checkout: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "release"
    other.mkdir(parents=True)
    (other / "targets.toml").touch()
    script = checkout / "scripts" / "update_sdk_artifacts.py"
    assert Workspace.find(repo=other.parent, script=script, cwd=checkout).root == other.parent.resolve()


def test_a_named_directory_that_is_no_checkout_is_refused_without_a_search(checkout: Path) -> None:
    with pytest.raises(WorkspaceError) as refused:
        Workspace.find(repo=checkout / "scripts", script=None, cwd=checkout)
    assert str(refused.value) == (
        f"{checkout / 'scripts'} is not a checkout of this project (release/targets.toml is missing); {REMEDY}"
    )


@pytest.mark.parametrize("name", ["missing", "x" * 5_000, "\0", "checkout/release/targets.toml"])
def test_a_named_directory_that_cannot_be_one_is_refused(name: str, checkout: Path) -> None:
    with pytest.raises(WorkspaceError, match="is not a checkout of this project"):
        Workspace.find(repo=checkout.parent / name, script=None, cwd=checkout)


def test_a_directory_in_place_of_the_data_file_is_no_checkout(tmp_path: Path) -> None:
    (tmp_path / "release" / "targets.toml").mkdir(parents=True)
    with pytest.raises(WorkspaceError, match="is not a checkout of this project"):
        Workspace.find(repo=tmp_path, script=None, cwd=tmp_path)


def test_outside_of_any_checkout_it_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError) as refused:
        Workspace.find(repo=None, script=None, cwd=tmp_path)
    assert str(refused.value).startswith(f"{tmp_path} or a directory above it is not a checkout of this project")
    assert str(refused.value).endswith(REMEDY)


def test_everything_it_names_is_in_this_checkout() -> None:
    workspace = Workspace.find(repo=None, script=None, cwd=Path(__file__).parent)
    assert workspace.targets_file.is_file()
    assert workspace.lock_file.is_file()
    assert workspace.license.is_file()
    assert (workspace.runtime_template / "pyproject.toml").is_file()
    assert (workspace.sdk / "pyproject.toml").is_file()
