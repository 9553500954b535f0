#!/usr/bin/env python3
"""Builds the documentation as a static, searchable site from the same Markdown.

    pip install -r docs/site/requirements.txt
    python3 docs/site/build.py OUT

The README is the first page. A link that leads nowhere, and a page that the
navigation does not name, are errors. The site works from a folder, without network.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# What the pages would load from the network: package, its SHA-256, the file in it, its name here.
ASSETS = [
    ("mermaid/-/mermaid-11.4.1.tgz", "ec7b61b391aaa24bf666fd20e48d0a626eeb4a95b95bc6b3016a122d7f0bc2af", "dist/mermaid.min.js", "mermaid.min.js"),
    ("iframe-worker/-/iframe-worker-1.0.4.tgz", "e8c5d12d87829c503afba01d67772ea9f4aba5b7ae57a0c98e1917711030efbb", "shim/index.js", "iframe-worker.js"),
]

LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")


def download(package: str, sha256: str, member: str) -> bytes:
    url = "https://registry.npmjs.org/" + package
    with urllib.request.urlopen(url, timeout=120) as answer:
        data = answer.read()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        sys.exit(f"{url}: SHA-256 is {found}, expected {sha256}")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return archive.extractfile("package/" + member).read()


def title(page: Path) -> str:
    return page.read_text(encoding="utf-8").split("\n", 1)[0].lstrip("# ").strip()


def translate(text: str, source: Path) -> str:
    """Makes links of a page in the repository into links of the site.

    What is in docs stays a link, a folder there becomes its first page, and
    what is elsewhere in the repository becomes its path.
    """

    def one(match: re.Match[str]) -> str:
        words, target = match.groups()
        path, _, anchor = target.partition("#")
        if not path or "://" in path:
            return match.group()
        there = (source.parent / path).resolve()
        if not there.exists():
            return match.group()  # mkdocs reports it
        docs = ROOT / "docs"
        if there == ROOT / "README.md":
            there = docs / "index.md"
        elif not there.is_relative_to(docs):
            return words if words.strip("`") == path else f"{words} (`{there.relative_to(ROOT)}`)"
        elif there.is_dir():
            there /= "README.md" if (there / "README.md").exists() else "index.md"
        start = docs if source.parent == ROOT else source.parent
        link = os.path.relpath(there, start)
        return f"[{words}]({link}{'#' + anchor if anchor else ''})"

    lines, fenced = [], False
    for line in text.split("\n"):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        if not fenced and not line.startswith("    "):
            line = LINK.sub(one, line)
        lines.append(line)
    return "\n".join(lines)


def collect(pages: Path) -> None:
    for file in sorted((ROOT / "docs").rglob("*")):
        name = file.relative_to(ROOT / "docs")
        if file.is_dir() or name.parts[0] == "site":
            continue
        to = pages / name
        to.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".md":
            to.write_text(translate(file.read_text(encoding="utf-8"), file), encoding="utf-8")
        else:
            shutil.copy(file, to)
    readme = ROOT / "README.md"
    text = translate(readme.read_text(encoding="utf-8"), readme).replace("](docs/", "](")
    (pages / "index.md").write_text(text, encoding="utf-8")
    decisions = sorted((pages / "decisions").glob("*.md"))
    listed = "\n".join(f"- [{title(d)}]({d.name})" for d in decisions)
    (pages / "decisions" / "index.md").write_text(f"# Decisions\n\nWhy things are as they are, ten lines each.\n\n{listed}\n", encoding="utf-8")


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    out = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as work:
        pages = Path(work) / "pages"
        collect(pages)
        assets = pages / "assets"
        assets.mkdir()
        for package, sha256, member, name in ASSETS:
            (assets / name).write_bytes(download(package, sha256, member))
        shutil.copytree(HERE / "theme", Path(work) / "theme")
        config = Path(work) / "mkdocs.yml"
        text = (HERE / "mkdocs.yml").read_text(encoding="utf-8")
        names = "".join(f"          - decisions/{d.name}\n" for d in sorted((ROOT / "docs" / "decisions").glob("*.md")))
        config.write_text(text.replace("      - Decisions: decisions/index.md\n", "      - Decisions:\n          - decisions/index.md\n" + names), encoding="utf-8")
        subprocess.run(
            [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config), "-d", str(out)],
            check=True, env=dict(os.environ, NO_MKDOCS_2_WARNING="1"),
        )
    print(out / "index.html")


if __name__ == "__main__":
    main()
