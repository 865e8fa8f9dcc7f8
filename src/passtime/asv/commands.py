"""What happens before each of asv's commands, and what becomes of its failures.

asv imports its plugins after it has parsed the command line and before it runs the command.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from asv import results, util
from asv.commands import Command, check, compare, continuous, find, publish, rm, run
from asv.commands import machine as machine_command
from asv.config import Config
from asv.console import log
from asv.machine import Machine, iter_machine_files
from asv.repo import NoSuchNameError, get_repo
from asv.results import get_filename

from passtime import places
from passtime.asv import comparing, machine, together
from passtime.asv import process as asv_process
from passtime.asv.environment import PasstimeEnvironment
from passtime.asv.patterns import compiled
from passtime.asv.results import KeptResults
from passtime.asv.runner import Runner
from passtime.asv.suite import JUST_DISCOVER, InstallingSuite, Suite
from passtime.errors import PasstimeError
from passtime.results import machine as machine_of_results
from passtime.results import store as store_of_results
from passtime.results.computer import computer
from passtime.results.parity import Record
from passtime.runtimes import store
from passtime.timeline import manifest, repository
from passtime.worker.driver import alone, settings

Preparation = Callable[[Config, argparse.Namespace], None]

# Of asv's `-a`, what a session heeds; it has a clock, batches and a warm-up of its own.
_ATTRIBUTES = ("repeat", "rounds", "timeout")


def install() -> None:
    """Replaces what asv does not offer to replace, by name."""
    # asv looks these names up in its commands' modules: `publish`, `compare` and `show` read with asv's own.
    run.Results = find.Results = KeptResults
    as_asv_does = results.iter_results_paths
    results.iter_results_paths = lambda folder: _readable(as_asv_does(folder))
    run.Benchmarks = InstallingSuite
    find.Benchmarks = check.Benchmarks = Suite
    # asv asks six questions here; there is nothing to ask.
    machine_command.Machine.run = classmethod(_describe_machine)
    for command in util.iter_subclasses(Command):
        _prepare(command)


def _remove_sessions_alone(results: Path) -> None:
    """`asv rm` removes a release's values and knows of no sessions beside them."""
    for path in results.glob(f"*/*{store_of_results.PROVENANCE}"):
        if not path.with_name(path.name.removesuffix(store_of_results.PROVENANCE) + ".json").is_file():
            path.unlink()


def _readable(paths: Iterator[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    """asv ends in a trace-back at a value of the wrong kind; a damaged file costs itself alone."""
    for folder, name, machine_name in paths:
        try:
            store_of_results.read(Path(folder, name))
        except PasstimeError as error:
            log.warning(f"{error}; it is left out")
        else:
            yield folder, name, machine_name


def _prepare(command: type[Command]) -> None:
    """Runs our preparations before the command, and makes one line of what the user can act on."""
    as_asv_does: Callable[..., int | None] = command.run_from_conf_args
    prepare = PREPARATIONS.get(command, lambda conf, args: None)

    def run_from_conf_args(cls: type[Command], conf: Config, args: argparse.Namespace, **kwargs: Any) -> int | None:
        try:
            open_project(conf)
            prepare(conf, args)
            with alone.alone(_say) if _measures(command, args) else contextlib.nullcontext():
                status = as_asv_does(conf, args, **kwargs)
            if command is rm.Rm:
                _remove_sessions_alone(Path(conf.results_dir))
            return status
        except (PasstimeError, util.ProcessError, OSError) as error:
            raise util.UserError(str(error)) from None
        except KeyboardInterrupt:
            raise util.UserError(
                "Interrupted. What was measured is kept; the same command with --skip-existing-successful goes on."
            ) from None

    command.run_from_conf_args = classmethod(run_from_conf_args)


def _measures(command: type[Command], args: argparse.Namespace) -> bool:
    if command is run.Run:
        return not args.dry_run and args.bench != JUST_DISCOVER
    return command in (continuous.Continuous, find.Find)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def open_project(conf: Config) -> None:
    """Builds the timeline, which asv then opens, and names its branches: the user's own builds are one more."""
    root = places.root()
    releases = manifest.load(root)
    repository.build(releases, places.timeline_repository(root))
    conf.repo = str(places.timeline_repository(root))
    conf.branches = list(releases.branches)
    machine.install(Path(conf.results_dir))


def _prepare_run(conf: Config, args: argparse.Namespace) -> None:
    if args.profile:
        raise PasstimeError("--profile sees nothing of what is timed, which runs in workers; leave it out")
    skip_measured = args.skip_existing or args.skip_existing_successful
    skip_failed = args.skip_existing or args.skip_existing_failed
    _prepare_measuring(conf, args, skip_measured, skip_failed)
    # asv skips whole benchmarks, and takes one with a single measured parameter for done.
    args.skip_existing = args.skip_existing_successful = args.skip_existing_failed = False
    args.parallel = 1  # asv would install in other processes, all at once
    if args.range is None and args.bench != JUST_DISCOVER:
        args.range = _newest_runnable()


def _prepare_measuring(
    conf: Config,
    args: argparse.Namespace,
    skip_measured: bool = False,
    skip_failed: bool = False,
) -> None:
    if any(spec != PasstimeEnvironment.tool_name for spec in args.env_spec):
        raise PasstimeError(
            "passtime times releases in runtimes of their own, not in an environment: make the interpreter with your "
            "own build a release by `passtime timeline add torch --python PATH --name NAME`, then `asv run NAME`"
        )
    if not machine_of_results.is_name(getattr(args, "machine", None)):
        raise PasstimeError(f"--machine {args.machine!r} names a folder of results: letters, digits, '.', '-' and '_'")
    for pattern in [args.bench] if isinstance(args.bench, str) else args.bench or ():
        compiled(pattern)
    _check_attributes(getattr(args, "attribute", None) or {})
    computer()  # what is wrong with it is said before anything is installed
    settings.check()
    together.reference(manifest.load(places.root()))
    end_by_interrupt()
    runner = Runner(Path(conf.results_dir), skip_measured, skip_failed)
    # asv would skip, fail and store whole benchmarks.
    run.run_benchmarks = find.run_benchmarks = runner.run_benchmarks
    run.skip_benchmarks = runner.skip_benchmarks


def _check_attributes(chosen: Mapping[str, Any]) -> None:
    """What would have no effect is refused: a number would be taken for one that was measured under it."""
    if "cpu_affinity" in chosen:
        raise PasstimeError(
            "--cpu-affinity does not reach the workers, which do the timing: `taskset --cpu-list 0 asv run ...` does"
        )
    for name in chosen:
        if name not in _ATTRIBUTES:
            heeded = ", ".join(_ATTRIBUTES)
            raise PasstimeError(f"-a {name} has no effect on a worker's samples: leave it out; {heeded} have one")


def end_by_interrupt() -> None:
    """A polite kill, or a closed terminal unless that is to be outlived (nohup), ends us as Ctrl-C does."""
    asv_process.handle_endings(interrupt)


def interrupt(number: int, frame: object) -> NoReturn:
    # What asv does at Ctrl-C: it kills the benchmark process. A plain SIGTERM would leave that behind.
    raise KeyboardInterrupt(number)


def _newest_runnable() -> list[str]:
    """The newest release of each branch that this machine can run; asv takes the newest, whether it runs or not."""
    root = places.root()
    releases = manifest.load(root)
    chosen, reasons = [], []
    for branch in releases.branches:
        for release in sorted(releases.of_branch(branch), key=lambda release: release.date, reverse=True):
            reason = store.runnable(release)
            if reason is None:
                chosen.append(release.name)
                break
            reasons.append(reason)
    if not chosen:
        raise PasstimeError(f"this machine can run no release: {reasons[0] if reasons else 'there is none'}")
    log.info(f"The newest that this machine can run: {', '.join(chosen)}")
    return [repository.commit_of(places.timeline_repository(root), name) for name in chosen]


def _prepare_compare(conf: Config, args: argparse.Namespace) -> None:
    """With results of several machines asv gives up: take this one's, or those of the one that has both releases."""
    _list_comparison(conf, args.revision1, args.revision2)
    if args.machine is not None:
        return
    machines = _machines_with(conf, [args.revision1, args.revision2])
    here = Machine.hardcoded_machine_name
    if not machines:
        raise PasstimeError(
            f"no machine has results of both {args.revision1} and {args.revision2}; `asv run` measures a release"
        )
    args.machine = here if here in machines else machines[0]
    if args.machine != here:
        print(f"This machine, {here}, has no results of both; these are from {args.machine}.", file=sys.stderr)


def _prepare_publish(conf: Config, args: argparse.Namespace) -> None:
    """Dates in the feed are local times: the same site in every time zone is one that can be compared."""
    os.environ["TZ"] = "UTC"
    time.tzset()


def _prepare_continuous(conf: Config, args: argparse.Namespace) -> None:
    _prepare_measuring(conf, args)
    branch = args.branch or conf.branches[0]
    _list_comparison(conf, args.base or f"{branch}~", branch)


def _list_comparison(conf: Config, *revisions: str) -> None:
    root, repo = places.root(), get_repo(conf)
    known, timeline = manifest.load(root), places.timeline_repository(root)
    try:
        commits = [repo.get_hash_from_name(revision) for revision in revisions]
    except NoSuchNameError as error:
        raise PasstimeError(f"unknown commit {error}: `passtime timeline list` shows releases") from None
    ours, theirs = (known.get(repository.release_name(timeline, commit)) for commit in commits)
    comparing.install(ours, theirs, Record(Path(conf.results_dir)))


def _machines_with(conf: Config, revisions: list[str]) -> list[str]:
    repo = get_repo(conf)
    files = [get_filename("", repo.get_hash_from_name(revision), PasstimeEnvironment.name) for revision in revisions]
    folders = [Path(path).parent for path in iter_machine_files(conf.results_dir)]
    return sorted(folder.name for folder in folders if all((folder / file).is_file() for file in files))


def _describe_machine(cls: type[Command], **answers: str) -> None:
    described = Machine.load()
    log.info(f"This machine is {described.machine}; `asv run --machine NAME` calls it something else")
    for key, value in sorted(vars(described).items()):
        log.info(f"{key}: {value}")


PREPARATIONS: dict[type[Command], Preparation] = {
    run.Run: _prepare_run,
    continuous.Continuous: _prepare_continuous,
    find.Find: _prepare_measuring,
    compare.Compare: _prepare_compare,
    publish.Publish: _prepare_publish,
}
