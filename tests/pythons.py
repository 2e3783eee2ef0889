"""The supported Python versions on this machine. Imports only the standard library."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path


def find_pythons() -> dict[str, str]:
    """Return an executable of each supported version, such as 3.11.2 or 3.13.0, by version."""
    folders = [*map(Path, os.get_exec_path()), *Path(sys.base_prefix).parent.glob("*/bin")]
    names = ("python3", *(f"python3.{minor}" for minor in range(11, 20)))
    paths = {folder / name for folder in folders for name in names}
    versions = {}
    for path in sorted({path.resolve() for path in paths if path.is_file()}):
        command = [str(path), "-I", "-c", "import platform; print(platform.python_version())"]
        process = subprocess.run(command, capture_output=True, text=True, check=False)
        if re.match(r"3\.1[1-9]", process.stdout):
            versions[process.stdout.strip()] = str(path)
    return versions
