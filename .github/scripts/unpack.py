"""Unpacks results, and nothing else: `python3 -I .github/scripts/unpack.py FOLDER TARGET`.

Each `results.tar` below FOLDER comes from a machine that measured. What it holds is data: a member is taken if it is a
regular file, has the name of a result and reads as that result. Anything else refuses all of the packs, in one line,
and TARGET, an empty folder, stays empty. Else each pack has a folder there. The job that runs this may push, so this
script needs Python's standard library only and runs nothing.
"""

from __future__ import annotations

import json
import re
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# All results of a machine over years are some MB: more is no night's work.
MOST_FILES = 5_000
MOST_FILE_BYTES = 64 * 2**20
MOST_BYTES = 512 * 2**20

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
# asv's pages take these for HTML.
_HTML = re.compile("[<>&]")
_BENCHMARK = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


class Refused(Exception):
    """Why a pack is not taken, in one line."""


def main(arguments: list[str]) -> None:
    """Raises SystemExit, with one line, for a pack that is refused."""
    if len(arguments) != 2:
        sys.exit("unpack: name a folder of packs, and an empty one to unpack them into")
    folder, target = arguments
    packs = sorted(Path(folder).glob("*/results.tar"))
    if not packs:
        sys.exit(f"unpack: there is no pack, */results.tar, in {folder}: nothing was measured, or it lies elsewhere")
    try:
        taken = take(packs, Path(target))
    except Refused as refused:
        sys.exit(f"unpack: nothing is taken: {refused}")
    print(f"{taken} files of results are taken")


def take(packs: list[Path], target: Path) -> int:
    """Unpacks each pack into a folder of its own in `target`, all or nothing; gives how many files. Raises Refused."""
    count = 0
    with tempfile.TemporaryDirectory(dir=target, prefix=".unpack-") as aside:
        folders = [Path(aside, pack.parent.name) for pack in packs]
        for pack, folder in zip(packs, folders, strict=True):
            (folder / "results").mkdir(parents=True)  # a night without anything new has an empty pack
            count += sum(1 for _ in _check(pack, folder))
        for folder in folders:
            folder.rename(target / folder.name)
    return count


def _check(pack: Path, aside: Path) -> Iterator[str]:
    """The names of a pack's files, which are then below `aside`."""
    where = f"{pack.parent.name}/{pack.name}"
    if pack.is_symlink() or not pack.is_file():
        raise Refused(f"{where} is no file")
    if pack.stat().st_size > 2 * MOST_BYTES:
        raise Refused(f"{where} is larger than all results together may be")
    count = size = 0
    try:
        # Not compressed: what a file says of its size is what the pack takes.
        with tarfile.open(pack, "r:") as members:
            for member in members:
                count, size = count + 1, size + member.size
                if count > MOST_FILES or size > MOST_BYTES:
                    raise Refused(f"{where} holds more than {MOST_FILES} files, or {MOST_BYTES >> 20} MB")
                _write(members, member, where, aside)
                yield member.name
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise Refused(f"{where} is no pack of results ({type(error).__name__})") from None


def _write(members: tarfile.TarFile, member: tarfile.TarInfo, where: str, aside: Path) -> None:
    """Writes a member below `aside`, if it is a result."""
    said = f"{where}: {member.name[:200]!a}"
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.sparse is not None:
        raise Refused(f"{said} is no regular file")
    if member.size > MOST_FILE_BYTES:
        raise Refused(f"{said} is larger than {MOST_FILE_BYTES >> 20} MB")
    found = [(check, match) for name, check in _RESULTS if (match := re.fullmatch(name, member.name, re.ASCII))]
    if not found or ".." in member.name:
        raise Refused(f"{said} is no name of a result")
    content = members.extractfile(member)
    assert content is not None  # a regular file has content
    data = content.read()
    for check, match in found:
        try:
            check(data.decode("utf-8"), match)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            reason = ascii(str(error))[:200] if isinstance(error, ValueError) else type(error).__name__
            raise Refused(f"{said} does not read as that result ({reason})") from None
    target = aside / member.name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)


def _machine(text: str, name: re.Match[str]) -> None:
    """What is known of a machine: the site shows all of it."""
    facts = _object(_read(text))
    _must(facts["machine"] == name["machine"], "the machine is not that of its folder")
    _must(all(isinstance(value, (str, int)) for value in facts.values()), "a value is no text")
    _must(not _HTML.search(json.dumps(facts, ensure_ascii=False)), "a value holds HTML")


def _result(text: str, name: re.Match[str]) -> None:
    """A release's results, as asv writes them."""
    content = _object(_read(text))
    commit = content["commit_hash"]
    _must(re.fullmatch("[0-9a-f]{40}", commit) is not None, "the commit is no hash")
    _must(commit.startswith(name["commit"]), "the commit is not that of its name")
    _must(content["params"]["machine"] == name["machine"], "the machine is not that of its folder")
    _must(content["env_name"] == name["environment"], "the environment is not that of its name")
    for key, value in (*content["params"].items(), *_object(content.get("env_vars", {})).items()):
        # The site has folders of these names.
        _must(re.fullmatch(r"[A-Za-z_][\w-]*", key, re.ASCII) is not None, "a parameter's name is none")
        _must(value is None or isinstance(value, (str, int)), "a parameter is no text")
    rest = {key: value for key, value in content.items() if key not in ("results", "result_columns")}
    _must(not _HTML.search(json.dumps(rest, ensure_ascii=False)), "a value holds HTML")
    _must(all(isinstance(column, str) for column in content["result_columns"]), "a column has no name")
    for benchmark, columns in _object(content["results"]).items():
        _must(_BENCHMARK.fullmatch(benchmark) is not None, "a benchmark's name is none")
        _must(columns is None or isinstance(columns, list), "a benchmark's values are no list")


def _sessions(text: str, name: re.Match[str]) -> None:
    """What each session was measured under, a line each."""
    for line in text.splitlines():
        session = _object(_read(line))
        _must(_BENCHMARK.fullmatch(session["benchmark"]) is not None, "a benchmark's name is none")
        _must(all(isinstance(param, str) for param in _list(session["params"])), "a parameter is no text")
        _must(_RELEASE.fullmatch(session.get("release", "unknown")) is not None, "a release's name is none")


def _parity(text: str, name: re.Match[str]) -> None:
    """What was checked, a line each."""
    for line in text.splitlines():
        check = _object(_read(line))
        one, other = _list(check["releases"])
        _must(all(_RELEASE.fullmatch(release) is not None for release in (one, other)), "a release's name is none")
        said = (check["workload"], check["device"], check["difference"])
        _must(all(isinstance(value, str) for value in said), "a value is no text")


def _benchmarks(text: str, name: re.Match[str]) -> None:
    """The list of benchmarks, as asv writes it. Nothing runs their code: it is text that the site shows."""
    for benchmark, said in _object(_read(text)).items():
        if benchmark == "version":
            _must(isinstance(said, int), "the version is no number")
            continue
        _must(_BENCHMARK.fullmatch(benchmark) is not None, "a benchmark's name is none")
        _must(said["name"] == benchmark, "a benchmark has two names")
        rest = {key: value for key, value in _object(said).items() if key != "code"}
        _must(isinstance(said["code"], str), "a benchmark's code is no text")
        _must(not _HTML.search(json.dumps(rest, ensure_ascii=False)), "a value holds HTML")


def _read(text: str) -> Any:
    """JSON without control characters in its texts, but for lines of code. Raises ValueError."""
    return _without_control(json.loads(text))


def _without_control(value: Any, key: str = "") -> Any:
    if isinstance(value, str):
        _must(not _CONTROL.search(re.sub("[\n\t]", "", value) if key == "code" else value), "a control character")
    elif isinstance(value, list):
        for one in value:
            _without_control(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            _without_control(name)
            _without_control(one, name)
    return value


def _object(value: Any) -> dict[str, Any]:
    _must(isinstance(value, dict), "no object")
    found: dict[str, Any] = value
    return found


def _list(value: Any) -> list[Any]:
    _must(isinstance(value, list), "no list")
    found: list[Any] = value
    return found


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


# A machine's folder has its name, a result the first digits of its commit and asv's name of the environment.
_FOLDER = r"results/(?P<machine>(?!.*\.jsonl?/)[A-Za-z0-9_][A-Za-z0-9._-]{0,99})/"
_FILE = _FOLDER + r"(?P<commit>[0-9a-f]{8})-(?P<environment>passtime)"
_RESULTS: tuple[tuple[str, Callable[[str, re.Match[str]], None]], ...] = (
    (r"results/benchmarks\.json", _benchmarks),
    (r"results/parity\.jsonl", _parity),
    (_FOLDER + r"machine\.json", _machine),
    (_FILE + r"\.json", _result),
    (_FILE + r"\.provenance\.jsonl", _sessions),
)

if __name__ == "__main__":
    main(sys.argv[1:])
