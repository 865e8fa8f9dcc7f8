"""The timeline as asv's repository: a release's name is a commit, and a name that is none is one clear line."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from asv import util
from asv.plugins.git import Git
from asv.repo import NoSuchNameError

from passtime import places
from passtime.errors import PasstimeError
from passtime.timeline import manifest, repository

_COMMIT = re.compile(r"[0-9a-f]{4,40}")
# What git writes around a name in a range: ^name, name^!, name~2, name^{commit}.
_AROUND_A_NAME = re.compile(r"^\^|[\^~@{:].*$")


class TimelineRepo(Git):
    """Chosen by `"dvcs": "passtime"` in asv.conf.json."""

    dvcs = "passtime"

    def get_hashes_from_range(self, range_spec: str) -> list[str]:
        """The commits of a range, newest first, as in git, but for release names alone: those releases.

        git, and so asv, reads a lone tag as "all that leads up to it": `asv run torch-2.14.1` would time every
        release there is. Whoever names releases means them; branches (`torch`) and ranges are as in git.
        `first^..last` is what it looks like for a branch's first release, too, whose parent git cannot find.
        Raises UserError for what git cannot read, where asv ends in a trace-back.
        """
        try:
            words = shlex.split(range_spec)
        except ValueError as error:
            raise util.UserError(f"no releases in the range {range_spec!r}: {error}") from None
        tags = self.get_tags()
        if words and all(word in tags for word in words):
            return [tags[word] for word in words]
        commits = [self._from_the_first(word, tags) for word in words]
        try:
            listed = self._run_git(["rev-list", "--first-parent", *commits, "--"], dots=False, display_error=False)
        except util.ProcessError as error:
            raise util.UserError(self._explain(range_spec, error)) from None
        return listed.split()

    def get_hash_from_name(self, name: str | None) -> str:
        """The commit of a release, a branch or a commit's hash.

        Raises NoSuchNameError for an unknown hash, and UserError for another unknown name: asv would pass over it.
        """
        try:
            return super().get_hash_from_name(name)
        except NoSuchNameError:
            if name is None or _COMMIT.fullmatch(name):
                raise
            raise util.UserError(_unknown(name)) from None

    def get_tags(self) -> dict[str, str]:
        """The commit of each release, by name: asv asks git for each tag in a process of its own."""
        return repository.tags(Path(self._path))

    def _from_the_first(self, word: str, tags: Mapping[str, str]) -> str:
        first, between, last = word.partition("^..")
        if not between or first not in tags:
            return word
        itself_and_parents = self._run_git(["rev-list", "--parents", "--max-count=1", tags[first]], dots=False).split()
        return last if len(itself_and_parents) == 1 else word

    def _explain(self, range_spec: str, error: util.ProcessError) -> str:
        for word in shlex.split(range_spec):
            for name in re.split(r"\.{2,3}", word):
                bare = _AROUND_A_NAME.sub("", _AROUND_A_NAME.sub("", name, count=1))
                if bare and not bare.startswith("-"):
                    try:
                        self.get_hash_from_name(bare)
                    except NoSuchNameError:
                        raise util.UserError(_unknown(bare)) from None
        said = (error.stderr.strip().splitlines() or ["git cannot read it"])[0].removeprefix("fatal: ")
        return f"no releases in the range {range_spec!r}: {said}; a range is like torch-2.8.0..torch-2.14.1"


def _unknown(name: str) -> str:
    try:
        manifest.load(places.root()).get(name)
    except PasstimeError as error:
        return str(error)
    return f"{name} is not in the timeline; `passtime timeline build` makes it anew"
