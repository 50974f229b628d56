# SPDX-License-Identifier: Apache-2.0
"""The one decision about bundles: which one a host gets for an adapter, and why not the others."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from rackbench.bundles import recipe
from rackbench.bundles.cache import shared_directory
from rackbench.bundles.catalog import (
    Listed,
    Named,
    find,
    needs_of,
    newest_first,
    read_listed,
    read_sidecar_with_bytes,
)
from rackbench.bundles.decision import BUILDER, CACHE, CAPTURED, CONFIGURED, DIST, Candidate, Decision
from rackbench.bundles.platforms import ANY, PLATFORM, mismatch, version_key
from rackbench.bundles.signing import signature_of
from rackbench.bundles.snapshot import snapshot_digest
from rackbench.bundles.verify import checksum_problem
from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from rackbench.adapters.catalog import Adapter
    from rackbench.bundles.cache import Cache
    from rackbench.bundles.decision import BundleRequirements, Sources
    from rackbench.bundles.platforms import Platform
    from rackbench.models.bundle import Sidecar

# Why a bundle was rejected, beside the reasons of `platforms` and `recipe`.
MISSING, UNREADABLE, NAME, CAPABILITY = recipe.MISSING, recipe.UNREADABLE, recipe.NAME, recipe.CAPABILITY
SIZE, CHECKSUM, SIGNATURE, CONFLICT, CACHE_FAILED = "size", "checksum", "signature", "conflict", "cache"
NEWER, LATER = "newer_available", "lower_precedence"


def resolve(
    platform: Platform | None, adapter: Adapter, requirements: BundleRequirements, sources: Sources
) -> Decision:
    """Return the first bundle that is the adapter's, fits the platform, and has the bytes and the signature it should.

    `platform` is None when nobody could ask the host: then only bundles for any platform fit. Never raises for a bad
    bundle, repository or cache: it is among the candidates with its reason. A bundle of the shared cache that is chosen
    has been fetched to the controller, since its bytes are checked here.
    """
    if adapter.bundle is None:
        return Decision(adapter.name, None, ())
    resolver = _Resolver(platform, adapter, adapter.bundle.name, requirements, sources)
    return Decision(adapter.name, resolver.choose(), tuple(resolver.candidates))


class _Resolver:
    """One call of `resolve`: candidates are looked at in the order of precedence until one is accepted."""

    def __init__(
        self,
        platform: Platform | None,
        adapter: Adapter,
        name: str,
        requirements: BundleRequirements,
        sources: Sources,
    ) -> None:
        self.platform = platform
        # As file names of native bundles begin after their version.
        self.host = f"{platform.os}-{platform.machine}-" if platform else None
        self.adapter = adapter
        self.name = name
        self.requirements = requirements
        self.sources = sources
        self.candidates: list[Candidate] = []
        self.chosen: Candidate | None = None

    def choose(self) -> Candidate | None:
        """Look at every candidate and return the chosen one."""
        for found in self._in_order():
            candidate = self._late(found) if found.accepted and self.chosen else found
            self.candidates.append(candidate)
            self.chosen = self.chosen or (candidate if candidate.accepted else None)
        return self.chosen

    def _late(self, candidate: Candidate) -> Candidate:
        """Return a candidate of a later source than that of the chosen one."""
        assert self.chosen is not None  # noqa: S101 - the callers looked
        return self._rejected(candidate, _behind(self.chosen.path))

    def _in_order(self) -> Iterator[Candidate]:
        sources = self.sources
        if sources.configured:
            yield self._prebuilt(CONFIGURED, read_listed(sources.configured))
        if sources.cache and sources.cache.remote:
            yield from self._cached(sources.cache)
        elif sources.cache:
            yield from self._shared_directory(sources.cache.location)
        if sources.captured:
            yield from self._directory(CAPTURED, find(sources.captured, self.name))
        for folder in sources.dist:
            yield from self._directory(DIST, find(folder, self.name))
        if sources.repo:
            yield from self._offered(sources.repo)

    def _offered(self, repo: Path) -> Iterator[Candidate]:
        try:
            for offer in recipe.offers(self.platform, self.adapter, self.requirements.capabilities, repo):
                yield self._unsigned(offer)
        except OSError as error:
            yield Candidate(repo, BUILDER, UNREADABLE, f"{repo} cannot be read: {error.strerror}.")

    def _unsigned(self, offer: Candidate) -> Candidate:
        """Return what a repository offers; what would be made of it has no signature."""
        if offer.accepted and self.requirements.signatures.required:
            words = "what is built from it has no signature; build it, sign it with `rackbench bundle sign`."
            return self._rejected(offer, (SIGNATURE, words))
        return offer

    def _cached(self, cache: Cache) -> Iterator[Candidate]:
        try:
            found = cache.listed()
        except RackbenchError as error:
            yield Candidate(cache.location, CACHE, CACHE_FAILED, error.message)
            return
        mine = [listed for listed in found if listed.tarball.name.startswith(f"{self.name}-")]
        mine = [listed for listed in mine if listed.sidecar is None or listed.sidecar.name == self.name]
        yield from self._newest_of(CACHE, newest_first(map(_named_by_sidecar, mine)), mine)

    def _shared_directory(self, location: str) -> Iterator[Candidate]:
        try:
            directory = shared_directory(location)
        except RackbenchError as error:
            yield Candidate(location, CACHE, CACHE_FAILED, error.message)
            return
        yield from self._directory(CACHE, find(directory, self.name))

    def _directory(self, source: str, found: list[Named]) -> Iterator[Candidate]:
        """Yield the bundles of a directory. What a file name already rules out is not read."""
        odd = [read_listed(named.tarball) for named in found if named.version is None]
        known = [named for named in found if named.version is not None]
        named_now = newest_first([*known, *map(_named_by_sidecar, odd)]) if odd else known
        # A file that is named in another way, or by another name of the machine, may be a second bundle of a version.
        counts = Counter((named.version, named.tag) for named in named_now)
        double = [named for named in known if counts[named.version, named.tag] > 1]
        read = [*odd, *(read_listed(named.tarball) for named in double)]
        yield from self._newest_of(source, named_now, read)

    def _newest_of(self, source: str, found: list[Named], read: list[Listed]) -> Iterator[Candidate]:
        """Yield bundles, which come the newest first; `read` are those whose sidecars are read already."""
        doubles = _conflicts(read)
        by_path = {listed.tarball: listed for listed in read}
        newest: Named | None = None
        for named in found:
            listed = by_path.get(named.tarball) if by_path else None
            if rejection := self._by_name(named, newest):
                if listed:
                    yield self._rejected(_candidate(source, listed), rejection)
                else:
                    yield Candidate(
                        named.tarball, source, *rejection, version=named.version, platform=named.tag
                    )
                continue
            candidate = self._as_named(source, named, listed or read_listed(named.tarball), doubles)
            yield candidate
            newest = newest or (named if candidate.accepted else None)

    def _by_name(self, named: Named, newest: Named | None) -> tuple[str, str] | None:
        """Return why a bundle is out by its name alone: an older one, a later one, or one for another machine."""
        if newest:
            return _after(newest, named.numbers)
        if self.chosen:
            return _behind(self.chosen.path)
        if self.host and named.tag and named.tag != ANY and not f"{named.tag}-".startswith(self.host):
            return PLATFORM, f"it is built for {named.tag}, and the host is {self.host[:-1]}."
        return None

    def _as_named(
        self, source: str, named: Named, listed: Listed, doubles: set[tuple[str, str, str]]
    ) -> Candidate:
        """Return a bundle whose sidecar is read; it must be what the name says, and the only one of that name."""
        candidate = _candidate(source, listed)
        if listed.sidecar and (candidate.version, candidate.platform) != (named.version, named.tag):
            words = f"its file name and its sidecar differ: {candidate.version}, {candidate.platform}."
            return self._rejected(candidate, (UNREADABLE, words))
        if listed.sidecar and _identity(listed.sidecar) in doubles:
            words = "another one of the same version and platform has other bytes."
            return self._rejected(candidate, (CONFLICT, words))
        return self._prebuilt(source, listed)

    @staticmethod
    def _rejected(candidate: Candidate, reason: tuple[str, str]) -> Candidate:
        return replace(candidate, reason=reason[0], detail=reason[1])

    def _prebuilt(self, source: str, listed: Listed) -> Candidate:
        """Return a bundle with the first thing that speaks against it, if anything does."""
        candidate = _candidate(source, listed)
        if self.chosen:
            return self._late(candidate)
        reason, detail = self._rejection(source, listed) or (None, None)
        if reason is None and listed.sidecar:
            reason, detail = self._bytes_problem(source, listed, listed.sidecar) or (None, None)
        download = listed.sidecar.size if listed.sidecar and self._remote(source) else 0
        return replace(candidate, reason=reason, detail=detail, download_bytes=download)

    def _remote(self, source: str) -> Cache | None:
        """Return the cache that a source's bundles have to be fetched from, if there is one."""
        cache = self.sources.cache
        return cache if source == CACHE and cache and cache.remote else None

    def _rejection(self, source: str, listed: Listed) -> tuple[str, str] | None:
        """Return code and words of the first thing in the sidecar that speaks against a bundle."""
        sidecar = listed.sidecar
        if sidecar is None:
            there = self._remote(source) or listed.tarball.is_file()
            return (UNREADABLE if there else MISSING), listed.reason or "It cannot be read."
        if sidecar.name != self.name:
            return NAME, f"it is a bundle of {sidecar.name}, and {self.adapter.name} needs {self.name}."
        if lacking := sorted(self.requirements.capabilities.difference(sidecar.capabilities)):
            return CAPABILITY, f"it lacks {', '.join(lacking)}."
        if problem := mismatch(needs_of(sidecar), self.platform):
            return problem
        return self._outdated(sidecar) if source == CAPTURED else None

    def _outdated(self, sidecar: Sidecar) -> tuple[str, str] | None:
        """Return that the source changed since a bundle was captured from it."""
        repo = self.sources.repo
        try:
            if repo is None or not repo.is_dir():
                return None
            same = snapshot_digest(repo) == sidecar.provenance.source_digest
        except RackbenchError as error:
            return NEWER, error.message
        except OSError as error:
            return UNREADABLE, f"{error.filename or repo} cannot be read: {error.strerror}."
        return None if same else (NEWER, f"{repo} changed since this bundle was built from it.")

    def _bytes_problem(self, source: str, listed: Listed, sidecar: Sidecar) -> tuple[str, str] | None:
        """Return what is wrong with the tarball of a sidecar; one of the shared cache is fetched for that."""
        tarball = listed.tarball
        try:
            if cache := self._remote(source):
                tarball = cache.fetch(listed)
            size = tarball.stat().st_size
            if size != sidecar.size:
                return SIZE, f"it has {size} bytes, and the sidecar names {sidecar.size}."
            if problem := self._signature_problem(tarball, sidecar):
                return problem
            digest = self.sources.digests.of(tarball)
        except RackbenchError as error:
            return CACHE_FAILED, error.message
        except FileNotFoundError:
            return MISSING, f"{tarball} is missing."
        except OSError as error:
            return UNREADABLE, f"{tarball}: {error.strerror}."
        if digest != sidecar.sha256:
            return CHECKSUM, f"{checksum_problem(sidecar, size, digest)}."
        return None

    def _signature_problem(self, tarball: Path, sidecar: Sidecar) -> tuple[str, str] | None:
        policy = self.requirements.signatures
        if not policy.required and policy.allowed_signers is None:
            return None
        signed, content = read_sidecar_with_bytes(tarball)
        if signed != sidecar:
            return CHECKSUM, "its sidecar was replaced while it was looked at."
        problem = signature_of(tarball, policy, content).problem
        return (SIGNATURE, problem) if problem else None


def _behind(path: Path | str) -> tuple[str, str]:
    """Return why a bundle is not used that comes after the one at `path`."""
    return LATER, f"{path} comes before it."


def _after(newest: Named, numbers: tuple[int, ...]) -> tuple[str, str]:
    """Return why a bundle of a version is not used when its own source has one that is."""
    if numbers and numbers < newest.numbers:
        return NEWER, f"version {newest.version} is there, which is newer."
    return _behind(newest.tarball)


def _named_by_sidecar(listed: Listed) -> Named:
    """Return a bundle, which was read, with the version and platform that its sidecar tells."""
    if listed.sidecar is None:
        return Named(listed.tarball, None, (), None)
    _name, version, tag = _identity(listed.sidecar)
    return Named(listed.tarball, version, version_key(version), tag)


def _identity(head: Sidecar) -> tuple[str, str, str]:
    needs = needs_of(head)
    return head.name, head.version, needs.tag() if needs else ANY


def _conflicts(found: Iterable[Listed]) -> set[tuple[str, str, str]]:
    """Return name, version and platform of bundles that are there twice with different bytes."""
    different = {(_identity(listed.sidecar), listed.sidecar.sha256) for listed in found if listed.sidecar}
    counts = Counter(identity for identity, _digest in different)
    return {identity for identity, count in counts.items() if count > 1}


def _candidate(source: str, listed: Listed) -> Candidate:
    head = listed.sidecar
    if head is None:
        return Candidate(listed.tarball, source)
    return Candidate(
        path=listed.tarball,
        source=source,
        version=head.version,
        entry_point=head.entry_point,
        platform=_identity(head)[2],
        sha256=head.sha256,
        size=head.size,
        unpacked_size=head.unpacked_size,
    )
