"""What may be pinned, and where from: requirements and addresses, and nothing that an installer reads as an option."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement

from passtime.errors import PasstimeError

# A pin is a version on an index, or, after this, the address of a wheel or of a revision in a git repository.
AT = " @ "
GIT = "git+"

RULE = f"a pin is exact, like numpy==2.0.0, or an address, like torch{AT}https://HOST/WHEEL"
ADDRESS_RULE = "https:, file:, git+https:, git+ssh: or git+file:, or http: with the wheel's #sha256="

# Installers put variables in the place of ${NAME}, and send what is in them to the address.
_PRINTABLE = re.compile(r"[!#%-\[\]_a-z|~]+")
_SCHEMES = frozenset({"https", "file", "git+https", "git+ssh", "git+file"})
_REPOSITORY_SCHEMES = frozenset({"https", "ssh", "file"})
_OWN_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
_HASHED = re.compile(r"(.*&)?sha256=[0-9a-f]{64}(&.*)?")
# What git takes for a revision and for nothing else: neither an option nor a range.
_REVISION = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/+-]*")


def check_pin(pin: str) -> None:
    """Raises PasstimeError unless the pin is one exact version, or one address that may be installed from."""
    try:
        found = Requirement(pin)
    except InvalidRequirement:
        raise PasstimeError(f"{pin!r} is no pin: {RULE}") from None
    if found.marker is not None:
        raise PasstimeError(f"{pin!r} is no pin: {RULE}, without a condition")
    name = found.name + (f"[{','.join(sorted(found.extras))}]" if found.extras else "")
    if found.url is not None:
        if pin != f"{name}{AT}{found.url}":
            raise PasstimeError(f"{pin!r} is no pin: {RULE}")
        check_address(found.url)
        return
    specifiers = list(found.specifier)
    is_exact = len(specifiers) == 1 and specifiers[0].operator == "==" and not specifiers[0].version.endswith(".*")
    if not is_exact or pin != f"{name}=={specifiers[0].version}":
        raise PasstimeError(f"{pin!r} is no pin: {RULE}")


def check_address(address: str) -> None:
    """Raises PasstimeError unless this is an address to install from."""
    scheme, host, path, fragment = _parts(address)
    if scheme.startswith(GIT):
        before, _, revision = path.rpartition("@")
        is_good = scheme in _SCHEMES and bool(before) and _REVISION.fullmatch(revision) is not None
    else:
        is_hashed = _HASHED.fullmatch(fragment) is not None
        is_good = scheme in _SCHEMES or (scheme == "http" and (host in _OWN_HOSTS or is_hashed))
    if not is_good:
        raise PasstimeError(f"nothing is installed from {address!r}: an address is {ADDRESS_RULE}")


def check_page(address: str) -> None:
    """Raises PasstimeError unless this is the address of a page of wheels, or of an index."""
    scheme, *_ = _parts(address)
    if scheme not in ("https", "http", "file"):
        raise PasstimeError(f"{address!r} is no page of wheels: its address is https:, http: or file:")


def check_repository(address: str) -> None:
    """Raises PasstimeError unless this is the address of a git repository."""
    scheme, host, *_ = _parts(address)
    if scheme not in _REPOSITORY_SCHEMES and not (scheme == "http" and host in _OWN_HOSTS):
        raise PasstimeError(f"{address!r} is no repository: its address is https:, ssh: or file:, or a path")


def _parts(address: str) -> tuple[str, str, str, str]:
    """Scheme, host, path and fragment; all empty for what is no address."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return "", "", "", ""
    # ssh takes a host that starts so for an option.
    is_option = parts.netloc.rpartition("@")[2].startswith("-") or parts.netloc.startswith("-")
    is_remote = parts.scheme not in ("file", "git+file")
    if not _PRINTABLE.fullmatch(address) or is_option or "://" not in address or (is_remote and not host):
        return "", "", "", ""
    return parts.scheme, host, parts.path, parts.fragment
