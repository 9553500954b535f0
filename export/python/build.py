#!/usr/bin/env python3
"""Builds wheels that hold the headprof program: nothing is compiled at install.

    python3 export/python/build.py --out dist              # all platforms
    python3 export/python/build.py --out dist --only host  # this machine's

Needs Go and nothing else. The same sources give the same bytes.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import io
import os
import platform
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# GOOS, GOARCH and the wheel's platform. On Linux the program opens GPU drivers through glibc (docs/gpu.md).
PLATFORMS = {
    "linux-x86_64": ("linux", "amd64", "manylinux_2_17_x86_64.manylinux2014_x86_64"),
    "linux-aarch64": ("linux", "arm64", "manylinux_2_17_aarch64.manylinux2014_aarch64"),
    "macos-x86_64": ("darwin", "amd64", "macosx_12_0_x86_64"),
    "macos-arm64": ("darwin", "arm64", "macosx_12_0_arm64"),
    "windows-x86_64": ("windows", "amd64", "win_amd64"),
    "windows-arm64": ("windows", "arm64", "win_arm64"),
}


def host() -> str:
    system = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}[platform.system()]
    machine = platform.machine().lower()
    arm = machine in ("arm64", "aarch64")
    return f"{system}-{('aarch64' if system == 'linux' else 'arm64') if arm else 'x86_64'}"


def compile_program(goos: str, goarch: str, version: str, tags: str, out: Path) -> bytes:
    env = dict(os.environ, CGO_ENABLED="0", GOOS=goos, GOARCH=goarch)
    subprocess.run(
        ["go", "build", "-tags", tags, "-trimpath", "-buildvcs=false", "-ldflags", f"-s -w -X main.release={version}", "-o", str(out), "./cmd/headprof"],
        cwd=ROOT, env=env, check=True,
    )
    return out.read_bytes()


def metadata(version: str) -> str:
    return f"""Metadata-Version: 2.1
Name: headprof
Version: {version}
Summary: Importance of attention heads for long context, and KV-cache budgets per head
License: Apache-2.0
Keywords: attention heads,KV cache,long context,HeadKV,interpretability
Classifier: License :: OSI Approved :: Apache Software License
Classifier: Programming Language :: Python :: 3
Classifier: Programming Language :: Go
Classifier: Typing :: Typed
Requires-Python: >=3.10
Requires-Dist: numpy>=1.24
Requires-Dist: pyarrow>=14
Provides-Extra: pandas
Requires-Dist: pandas; extra == "pandas"
Provides-Extra: kvpress
Requires-Dist: kvpress>=0.5; extra == "kvpress"
Description-Content-Type: text/markdown

{(HERE / "README.md").read_text(encoding="utf-8")}"""


class Wheel:
    """A zip file with fixed times, and its record of hashes."""

    def __init__(self, path: Path, folder: str):
        self.zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9)
        self.folder = folder
        self.record: list[tuple[str, str, str]] = []

    def add(self, name: str, data: bytes, mode: int = 0o644) -> None:
        info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
        info.compress_type = zipfile.ZIP_DEFLATED
        info.create_system = 3  # Unix, so that the mode counts
        info.external_attr = (0o100000 | mode) << 16
        self.zip.writestr(info, data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        self.record.append((name, f"sha256={digest}", str(len(data))))

    def close(self) -> None:
        name = f"{self.folder}/RECORD"
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([*self.record, (name, "", "")])
        self.add(name, text.getvalue().encode())
        self.zip.close()


def build(name: str, version: str, tags: str, out: Path) -> Path:
    goos, goarch, tag = PLATFORMS[name]
    path = out / f"headprof-{version}-py3-none-{tag}.whl"
    with tempfile.TemporaryDirectory() as work:
        binary = compile_program(goos, goarch, version, tags, Path(work) / "headprof")
    folder = f"headprof-{version}.dist-info"
    part = path.with_suffix(".part")
    wheel = Wheel(part, folder)
    for source in sorted((HERE / "headprof").iterdir()):
        if source.suffix not in (".py", ".typed"):
            continue
        text = source.read_bytes()
        if source.name == "__init__.py":
            text = text.replace(b'__version__ = "0"  # replaced by build.py', f'__version__ = "{version}"'.encode())
        wheel.add(f"headprof/{source.name}", text)
    program = "headprof.exe" if goos == "windows" else "headprof"
    wheel.add(f"headprof-{version}.data/scripts/{program}", binary, 0o755)
    wheel.add(f"{folder}/LICENSE", (ROOT / "LICENSE").read_bytes())
    wheel.add(f"{folder}/METADATA", metadata(version).encode())
    tags = "".join(f"Tag: py3-none-{t}\n" for t in tag.split("."))
    wheel.add(f"{folder}/WHEEL", f"Wheel-Version: 1.0\nGenerator: headprof\nRoot-Is-Purelib: false\n{tags}".encode())
    wheel.close()
    part.replace(path)
    return path


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", type=Path, default=Path("dist"), help="folder of the wheels (default: dist)")
    p.add_argument("--version", default="0.1.0.dev0", help="version by PEP 440 (default: 0.1.0.dev0)")
    p.add_argument("--tags", default="", help="Go build tags, as nocloud: without --publish to S3, GCS and Azure, half as large")
    p.add_argument("--only", action="append", choices=[*PLATFORMS, "host"], help="build for this platform alone (repeat it for several)")
    a = p.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    for name in a.only or PLATFORMS:
        print(build(host() if name == "host" else name, a.version, a.tags, a.out), flush=True)


if __name__ == "__main__":
    sys.exit(main())
