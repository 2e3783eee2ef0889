"""The private environment is built completely or not at all, by whatever tool there is."""

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
    """A clone, a home, and stand-ins for venv, pip and uv that create the folders these create."""

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
        monkeypatch.setattr(environment, "run", self._run)
        monkeypatch.setattr(environment, "works", lambda folder: self.works and folder.is_dir())
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
        output = "\n".join(f"line {number}" for number in range(20))
        return subprocess.CompletedProcess(command, int(failed), output)

    def build(self) -> Path:
        with environment.only_installation(self.env):
            return environment.build(self.clone, self.env)

    def current(self) -> Path | None:
        return environment.current(self.clone, self.env)

    @property
    def name(self) -> str:
        return f"env-{environment.digest(self.clone)}"

    def upgrade(self) -> None:
        (self.clone / "hooks" / "b.py").write_text("new")

    def contents(self) -> list[str]:
        return sorted(path.name for path in self.data.iterdir()) if self.data.exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_environment_is_built_once(machine: Machine) -> None:
    assert machine.current() is None
    link = machine.build()
    assert link == machine.data / "env"
    assert link.readlink() == Path(machine.name)
    assert machine.current() == link


def test_update_replaces_the_environment_of_the_old_version(machine: Machine) -> None:
    machine.build()
    old = machine.name
    machine.upgrade()
    assert machine.current() is None
    link = machine.build()
    assert link.readlink() == Path(machine.name)
    assert old in machine.contents()
    environment.remove_others(link, machine.env)
    assert machine.contents() == ["env", machine.name]


def test_broken_environment_is_rebuilt_beside_the_one_in_use(machine: Machine) -> None:
    machine.build()
    machine.works = False
    assert machine.current() is None
    with pytest.raises(OpenSyncError, match="does not start"):
        machine.build()
    assert machine.contents() == ["env", machine.name]
    machine.works = True
    environment.remove_others(machine.build(), machine.env)
    assert machine.contents() == ["env", f"{machine.name}-b"]
    assert machine.current()


@pytest.mark.parametrize("had_one", [False, True])
def test_failed_installation_changes_nothing_and_shows_the_last_output(
    machine: Machine, had_one: bool
) -> None:
    if had_one:
        machine.build()
        machine.upgrade()
    before = machine.contents()
    machine.failing = ("pip install",)
    with pytest.raises(OpenSyncError, match="Nothing was changed") as caught:
        machine.build()
    assert str(caught.value).splitlines()[1:] == [f"    line {number}" for number in range(8, 20)]
    assert machine.contents() == before


def test_interrupted_installation_leaves_nothing(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: Path) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(environment, "works", interrupted)
    with pytest.raises(KeyboardInterrupt):
        machine.build()
    assert not machine.data.exists()


def test_leftovers_of_a_killed_installation_are_replaced(machine: Machine) -> None:
    leftover = machine.data / machine.name
    leftover.mkdir(parents=True)
    (leftover / "half").touch()
    (machine.data / "env.new").symlink_to("gone")
    machine.build()
    assert not (leftover / "half").exists()
    assert machine.contents() == ["env", machine.name]


WAYS = (
    ((), "{new} -I -m pip install"),
    (("-m venv",), "/bin/uv pip install --compile-bytecode --python {new}"),
    (("-m venv", "uv venv"), "{new} -I -m pip install"),
    (("-m venv /", "uv venv", "virtualenv"), "{old} -I -m pip --python {new} install"),
)


@pytest.mark.parametrize(
    ("failing", "installer"), WAYS, ids=["venv", "uv", "virtualenv", "pip of the system"]
)
def test_each_way_to_create_an_environment_has_its_own_installer(
    machine: Machine, failing: tuple[str, ...], installer: str
) -> None:
    machine.programs = ("uv", "virtualenv")
    machine.failing = failing
    machine.build()
    new = machine.data / machine.name / "bin" / "python"
    expected = installer.format(old=sys.executable, new=new)
    assert " ".join(machine.commands[-1]) == f"{expected} {machine.clone}"


def test_ways_to_create_an_environment_are_tried_in_order(machine: Machine) -> None:
    machine.programs = ("uv", "virtualenv")
    machine.failing = ("env",)
    with pytest.raises(OpenSyncError):
        machine.build()
    folder = str(machine.data / machine.name)
    assert machine.commands == [
        [sys.executable, "-I", "-m", "venv", folder],
        ["/bin/uv", "venv", "--python", sys.executable, folder],
        ["/bin/virtualenv", "--python", sys.executable, folder],
        [sys.executable, "-I", "-m", "venv", "--without-pip", folder],
    ]


@pytest.mark.parametrize(
    ("programs", "hint"),
    [
        (("apt-get",), "sudo apt-get install python3."),
        ((), "install uv (https://docs.astral.sh/uv/) or virtualenv"),
    ],
    ids=["Debian", "others"],
)
def test_python_that_cannot_create_environments_gets_a_hint(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, programs: tuple[str, ...], hint: str
) -> None:
    monkeypatch.setattr(environment, "find_spec", lambda _: None)
    machine.programs = programs
    machine.failing = ("venv",)
    with pytest.raises(OpenSyncError, match="lacks ensurepip") as caught:
        machine.build()
    assert caught.value.hint.startswith(hint)
    assert not machine.data.exists()


def test_other_failures_of_venv_are_shown(machine: Machine) -> None:
    machine.failing = ("venv",)
    with pytest.raises(OpenSyncError, match=r"venv failed:\n    line 8\n"):
        machine.build()


def test_only_one_installation_runs_at_a_time(machine: Machine) -> None:
    machine.data.mkdir()
    other = os.open(machine.data, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(OpenSyncError, match="another installation is running"):
        machine.build()
    os.close(other)
    machine.build()


def test_without_links_the_versioned_folder_is_used_directly(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "symlink_to", refuse)
    folder = machine.build()
    assert folder == machine.data / machine.name
    assert machine.current() == folder
    environment.remove_others(folder, machine.env)
    assert machine.contents() == [machine.name]


def test_remove_deletes_only_environments_of_ours(machine: Machine) -> None:
    machine.build()
    for foreign in ("env-mine", "env-0123456789ab-c", "store.db"):
        (machine.data / foreign).mkdir()
    environment.remove(machine.env)
    assert machine.contents() == ["env-0123456789ab-c", "env-mine", "store.db"]


def test_folder_named_env_that_is_not_ours_stays(machine: Machine) -> None:
    (machine.data / "env").mkdir(parents=True)
    folder = machine.build()
    assert folder == machine.current() == machine.data / machine.name
    environment.remove(machine.env)
    assert machine.contents() == ["env"]


def test_digest_depends_on_every_source_and_nothing_else(machine: Machine) -> None:
    before = machine.name
    (machine.clone / "README.md").write_text("new")
    (machine.clone / "hooks" / "__pycache__").mkdir()
    (machine.clone / "hooks" / "__pycache__" / "b.pyc").touch()
    assert machine.name == before
    (machine.clone / "hooks" / "b.py").rename(machine.clone / "hooks" / "c.py")
    assert machine.name != before


def test_variables_that_install_packages_elsewhere_do_not_reach_pip(tmp_path: Path) -> None:
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
    process = environment.run(["env"], tmp_path, shell)
    variables = dict(line.split("=", 1) for line in process.stdout.splitlines())
    assert variables["PIP_USER"] == "0"
    assert {"PIP_INDEX_URL", "HTTPS_PROXY"} <= variables.keys()
    assert not {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_TARGET"} & variables.keys()


def test_packages_are_located_by_the_path_that_stays_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "v")]
    subprocess.run(command, check=True)
    (tmp_path / "env").symlink_to("v")
    program = str(environment.python(tmp_path / "env"))
    script = "import sysconfig; print(sysconfig.get_path('purelib'))"
    output = subprocess.check_output([program, "-I", "-c", script], text=True)
    expected = environment.package(tmp_path / "env", exists=False)
    assert Path(output.strip()) / "opensync_hooks" == expected
    expected.mkdir()
    assert environment.package(tmp_path / "env", exists=True) == expected
