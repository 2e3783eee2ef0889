from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from opensync_hooks.errors import OpenSyncError
from opensync_hooks.setup import environment

NOWHERE = "/nowhere"


class Machine:
    """A clone, a home, and stand-ins for venv, pip and the like that make what those would make."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clone = folder / "clone"
        for name in ("pyproject.toml", "opensync_hooks/a.py", "hooks/b.py", "README.md"):
            (self.clone / name).parent.mkdir(parents=True, exist_ok=True)
            (self.clone / name).write_text(name)
        self.data = folder / "data"
        self.env = {"HOME": NOWHERE, "OPENSYNC_HOOKS_HOME": str(self.data), "PATH": NOWHERE}
        self.commands: list[list[str]] = []
        self.programs: tuple[str, ...] = ()
        self.failing: tuple[str, ...] = ()
        self.works = True
        monkeypatch.setattr(environment, "_run", self._run)
        monkeypatch.setattr(environment, "_works", lambda place: self.works and place.is_dir())
        monkeypatch.setattr("shutil.which", self._which)

    def _which(self, name: str) -> str | None:
        return f"/bin/{name}" if name in self.programs else None

    def _run(
        self, command: list[str], folder: Path, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        assert folder == self.data
        assert env == self.env
        self.commands.append(command)
        if command[-1].startswith(f"{self.data}/env-"):
            Path(command[-1]).mkdir(exist_ok=True)
        failed = any(word in " ".join(command) for word in self.failing)
        said = "\n".join(f"line {number}" for number in range(20))
        return subprocess.CompletedProcess(command, int(failed), said)

    def make(self) -> Path:
        return environment.make(self.clone, self.env)

    def current(self) -> Path | None:
        return environment.current(self.clone, self.env)

    @property
    def name(self) -> str:
        return f"env-{environment.digest(self.clone)}"

    def upgrade(self) -> None:
        (self.clone / "hooks" / "b.py").write_text("new")

    def holds(self) -> list[str]:
        return sorted(path.name for path in self.data.iterdir()) if self.data.exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_the_environment_is_made_once(machine: Machine) -> None:
    assert machine.current() is None
    place = machine.make()
    assert place == machine.data / "env"
    assert place.readlink() == Path(machine.name)
    assert machine.current() == place


def test_another_version_takes_the_place_of_the_old_one(machine: Machine) -> None:
    machine.make()
    old = machine.name
    machine.upgrade()
    assert machine.current() is None
    place = machine.make()
    assert place.readlink() == Path(machine.name)
    assert old in machine.holds()
    environment.sweep(place, machine.env)
    assert machine.holds() == ["env", machine.name]


def test_a_broken_environment_is_made_anew_beside_the_one_in_use(machine: Machine) -> None:
    machine.make()
    machine.works = False
    assert machine.current() is None
    with pytest.raises(OpenSyncError, match="does not start"):
        machine.make()
    assert machine.holds() == ["env", machine.name]
    machine.works = True
    environment.sweep(machine.make(), machine.env)
    assert machine.holds() == ["env", f"{machine.name}-b"]
    assert machine.current()


@pytest.mark.parametrize("had_one", [False, True])
def test_a_failed_installation_changes_nothing_and_shows_what_pip_said_last(
    machine: Machine, had_one: bool
) -> None:
    if had_one:
        machine.make()
        machine.upgrade()
    before = machine.holds()
    machine.failing = ("pip install",)
    with pytest.raises(OpenSyncError, match="Nothing was changed") as caught:
        machine.make()
    assert str(caught.value).splitlines()[1:] == [f"    line {number}" for number in range(8, 20)]
    assert machine.holds() == before


def test_an_interrupted_installation_leaves_nothing(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: Path) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(environment, "_works", interrupted)
    with pytest.raises(KeyboardInterrupt):
        machine.make()
    assert not machine.data.exists()


def test_what_a_killed_installation_left_is_made_anew(machine: Machine) -> None:
    left = machine.data / machine.name
    left.mkdir(parents=True)
    (left / "half").touch()
    (machine.data / "env.new").symlink_to("gone")
    machine.make()
    assert not (left / "half").exists()
    assert machine.holds() == ["env", machine.name]


WAYS = (
    ((), "{new} -I -m pip install"),
    (("-m venv",), "/bin/uv pip install --compile-bytecode --python {new}"),
    (("-m venv", "uv venv"), "{new} -I -m pip install"),
    (("-m venv /", "uv venv", "virtualenv"), "{old} -I -m pip --python {new} install"),
)


@pytest.mark.parametrize(
    ("failing", "installer"), WAYS, ids=["venv", "uv", "virtualenv", "pip of the system"]
)
def test_each_way_to_make_an_environment_brings_its_own_installer(
    machine: Machine, failing: tuple[str, ...], installer: str
) -> None:
    machine.programs = ("uv", "virtualenv")
    machine.failing = failing
    machine.make()
    new = machine.data / machine.name / "bin" / "python"
    expected = installer.format(old=sys.executable, new=new)
    assert " ".join(machine.commands[-1]) == f"{expected} {machine.clone}"


def test_ways_to_make_an_environment_are_tried_in_order(machine: Machine) -> None:
    machine.programs = ("uv", "virtualenv")
    machine.failing = ("env",)
    with pytest.raises(OpenSyncError):
        machine.make()
    place = str(machine.data / machine.name)
    assert machine.commands == [
        [sys.executable, "-I", "-m", "venv", place],
        ["/bin/uv", "venv", "--python", sys.executable, place],
        ["/bin/virtualenv", "--python", sys.executable, place],
        [sys.executable, "-I", "-m", "venv", "--without-pip", place],
    ]


@pytest.mark.parametrize(
    ("programs", "hint"),
    [
        (("apt-get",), "sudo apt-get install python3."),
        ((), "install uv (https://docs.astral.sh/uv/) or virtualenv"),
    ],
    ids=["Debian", "others"],
)
def test_a_python_that_cannot_make_environments_is_told_what_it_lacks(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, programs: tuple[str, ...], hint: str
) -> None:
    monkeypatch.setattr(environment, "find_spec", lambda _: None)
    machine.programs = programs
    machine.failing = ("venv",)
    with pytest.raises(OpenSyncError, match="lacks ensurepip") as caught:
        machine.make()
    assert caught.value.hint.startswith(hint)
    assert not machine.data.exists()


def test_another_reason_why_venv_fails_is_shown(machine: Machine) -> None:
    machine.failing = ("venv",)
    with pytest.raises(OpenSyncError, match=r"venv failed:\n    line 8\n"):
        machine.make()


def test_only_one_installation_runs_at_a_time(machine: Machine) -> None:
    machine.data.mkdir()
    other = os.open(machine.data, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(OpenSyncError, match="another installation"):
        machine.make()
    os.close(other)
    machine.make()


def test_where_links_cannot_be_made_the_versioned_folder_is_used_itself(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "symlink_to", refuse)
    place = machine.make()
    assert place == machine.data / machine.name
    assert machine.current() == place
    environment.sweep(place, machine.env)
    assert machine.holds() == [machine.name]


def test_remove_takes_environments_of_ours_only(machine: Machine) -> None:
    machine.make()
    for foreign in ("env-mine", "env-0123456789ab-c", "store.db"):
        (machine.data / foreign).mkdir()
    environment.remove(machine.env)
    assert machine.holds() == ["env-0123456789ab-c", "env-mine", "store.db"]


def test_a_folder_named_env_that_is_not_ours_stays(machine: Machine) -> None:
    (machine.data / "env").mkdir(parents=True)
    place = machine.make()
    assert place == machine.current() == machine.data / machine.name
    environment.remove(machine.env)
    assert machine.holds() == ["env"]


def test_the_digest_knows_every_source_and_nothing_else(machine: Machine) -> None:
    before = machine.name
    (machine.clone / "README.md").write_text("new")
    (machine.clone / "hooks" / "__pycache__").mkdir()
    (machine.clone / "hooks" / "__pycache__" / "b.pyc").touch()
    assert machine.name == before
    (machine.clone / "hooks" / "b.py").rename(machine.clone / "hooks" / "c.py")
    assert machine.name != before


def test_settings_that_send_packages_elsewhere_do_not_reach_pip(tmp_path: Path) -> None:
    shell = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": "/x",
        "PYTHONHOME": "/x",
        "VIRTUAL_ENV": "/x",
        "PIP_TARGET": "/x",
        "PIP_USER": "1",
        "PIP_INDEX_URL": "https://mirror",
        "HTTPS_PROXY": "http://proxy",
    }
    done = environment._run(["env"], tmp_path, shell)
    seen = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert seen["PIP_USER"] == "0"
    assert {"PIP_INDEX_URL", "HTTPS_PROXY"} <= seen.keys()
    assert not {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_TARGET"} & seen.keys()


def test_a_made_environment_is_found_by_the_path_that_stays(tmp_path: Path) -> None:
    make = [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "v")]
    subprocess.run(make, check=True)
    (tmp_path / "env").symlink_to("v")
    program = str(environment.python(tmp_path / "env"))
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    said = subprocess.check_output([program, "-I", "-c", ask], text=True)
    expected = environment.package(tmp_path / "env", made=False)
    assert Path(said.strip()) / "opensync_hooks" == expected
    expected.mkdir()
    assert environment.package(tmp_path / "env", made=True) == expected
