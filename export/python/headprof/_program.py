"""The headprof program that this package installs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Sequence


class HeadprofError(RuntimeError):
    """What the program says about an input that it cannot use."""


def program() -> str:
    """The path of the program: $HEADPROF, else beside this Python, else on PATH."""
    named = os.environ.get("HEADPROF")
    if named:
        return named
    name = "headprof.exe" if os.name == "nt" else "headprof"
    schemes = [sysconfig.get_path("scripts"), str(Path(sys.executable).parent)]
    if "nt_user" in sysconfig.get_scheme_names() or "posix_user" in sysconfig.get_scheme_names():
        schemes.append(sysconfig.get_path("scripts", f"{os.name}_user"))
    for folder in schemes:
        path = Path(folder) / name
        if path.is_file():
            return str(path)
    found = shutil.which(name)
    if found is None:
        raise HeadprofError("the program headprof was not found; install the wheel again, or name the program in $HEADPROF")
    return found


def run(args: Sequence[str]) -> bytes:
    """Runs the program and gives its standard output."""
    done = subprocess.run([program(), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        text = done.stderr.decode("utf-8", "replace").strip().removeprefix("headprof: ")
        raise HeadprofError(text or f"headprof ended with exit code {done.returncode}")
    return done.stdout
