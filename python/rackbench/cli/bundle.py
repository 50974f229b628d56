# SPDX-License-Identifier: Apache-2.0
"""``rackbench bundle``: build, list, show, select, verify, sign and prune the archives that carry benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.cli import cleaning, selecting
from rackbench.cli.inputs import there
from rackbench.cli.output import add_json_option
from rackbench.errors import CHECK_SAYS_NO, GOOD, USAGE, RackbenchError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from rackbench.bundles.build import NotBuilt
    from rackbench.bundles.catalog import Listed
    from rackbench.bundles.signing import SignaturePolicy
    from rackbench.cli.output import Output
    from rackbench.sshsig import Signature

DIST = "dist"
# Where captured and fetched bundles are when the inventory does not set lab_cache_dir.
OWN = ".rackbench"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = actions.add_parser(
        "build", help="build one source directory, or bring all in-tree bundles up to date"
    )
    build.add_argument("source", nargs="?", metavar="SOURCE", help="a directory with a bundle.toml")
    listing = actions.add_parser("list", help="list the bundles that were built, captured or shared")
    show = actions.add_parser("show", help="show the sidecar of a bundle")
    show.add_argument("file", metavar="FILE")
    verify = actions.add_parser("verify", help="check bundles against their sidecars")
    verify.add_argument("files", nargs="+", metavar="FILE", help="a tarball; its sidecar lies beside it")
    verify.add_argument("--allowed-signers", type=Path, metavar="FILE", help="the keys that may sign bundles")
    verify.add_argument("--require-signature", action="store_true", help="a bundle without one is not good")
    sign = actions.add_parser("sign", help="sign bundles with an ssh key")
    sign.add_argument("files", nargs="+", metavar="FILE", help="a tarball; its sidecar lies beside it")
    sign.add_argument(
        "--key", required=True, type=Path, help="an ssh private key; taken from ssh-agent if there"
    )
    prune = actions.add_parser("prune", help="remove bundles that nothing uses from hosts")
    cleaning.add_options(prune)
    prune.add_argument(
        "--keep-days", type=float, metavar="N", help="keep bundles that were asked for within N days"
    )
    select = actions.add_parser(
        "select", help="show which bundle each benchmark would get on a host, and why"
    )
    selecting.add_options(select)
    listing.add_argument(
        "--cache",
        metavar="PLACE",
        help="a shared cache to list too; the inventory's lab_bundle_cache is not read",
    )
    for action in (build, listing):
        action.add_argument(
            "--dist", metavar="DIR", help="where the bundles are (default: the project's dist/)"
        )
    for action in (build, listing, show, verify, sign, prune, select):
        add_json_option(action)


def run(args: argparse.Namespace, output: Output) -> int:
    """Do the action; 0, 1 when a bundle is not good, or 2 when one cannot be read."""
    actions = {
        "build": _build,
        "list": _list,
        "show": _show,
        "verify": _verify,
        "sign": _sign,
        "prune": _prune,
        "select": selecting.select,
    }
    return actions[args.action](args, output)


def _dist(args: argparse.Namespace) -> Path:
    if args.dist:
        return Path(args.dist)
    from rackbench.project import find_project

    return find_project() / DIST


def _build(args: argparse.Namespace, output: Output) -> int:
    from rackbench.bundles.build import build, build_all
    from rackbench.bundles.index import write_index

    dist = _dist(args)
    lacking: list[NotBuilt] = []
    if args.source:
        built = [build(there(Path(args.source)), dist)]
    else:
        from rackbench.bundles.source import find_sources
        from rackbench.collection import find_collection
        from rackbench.project import find_project

        project = find_project()
        built, lacking = build_all(find_sources(project, find_collection(project)), dist)
    write_index(dist)
    if output.as_json:
        bundles = [
            {
                "name": one.name,
                "version": one.version,
                "path": str(one.tarball),
                "sha256": one.digest,
                "rebuilt": one.rebuilt,
            }
            for one in built
        ]
        not_built = [
            {
                "name": one.name,
                "code": one.error.code,
                "message": one.error.message,
                "next_command": one.error.next_command,
            }
            for one in lacking
        ]
        output.document({"schema": "rackbench.bundles-built/1.1", "bundles": bundles, "not_built": not_built})
    for one in built:
        output.line(f"{'built' if one.rebuilt else 'up to date'}: {one.tarball.name} sha256:{one.digest}")
    for missing in lacking:
        advice = f" Next: {missing.error.next_command}" if missing.error.next_command else ""
        output.warning(f"{missing.error.message}{advice}")
    return 0


def _list(args: argparse.Namespace, output: Output) -> int:
    from rackbench.bundles.catalog import needs_of

    listed = list(_listed(args))
    if output.as_json:
        bundles: list[dict[str, Any]] = [
            {
                "source": source,
                "path": str(one.tarball),
                "sidecar": one.sidecar.model_dump(mode="json", by_alias=True) if one.sidecar else None,
                "problem": one.reason,
            }
            for source, one in listed
        ]
        output.document({"schema": "rackbench.bundles/1.1", "bundles": bundles})
        return 0
    rows = []
    for source, one in listed:
        if one.sidecar is None:
            rows.append((one.tarball.name, "-", "-", "-", one.reason or "", source))
        else:
            needs = needs_of(one.sidecar)
            head = one.sidecar
            platform = needs.tag() if needs else "any"
            rows.append((head.name, head.version, platform, str(head.size), head.sha256[:12], source))
    if rows:
        output.table(("bundle", "version", "platform", "bytes", "sha256", "source"), rows, right=(3,))
    else:
        output.note("No bundles yet; `rackbench bundle build` makes them.")
    return 0


def _listed(args: argparse.Namespace) -> Iterator[tuple[str, Listed]]:
    """Yield the bundles with the place that each is in, which is called as the resolver calls it."""
    from rackbench.bundles import decision
    from rackbench.bundles.cache import open_cache
    from rackbench.bundles.catalog import list_bundles
    from rackbench.project import find_project

    dist = there(Path(args.dist)) if args.dist else _dist(args)
    if args.cache:
        shared = open_cache(args.cache, find_project() / OWN / "downloads")
        yield from ((decision.CACHE, one) for one in shared.listed())
    if not args.dist:
        yield from ((decision.CAPTURED, one) for one in list_bundles([find_project() / OWN / "captured"]))
    yield from ((decision.DIST, one) for one in list_bundles([dist]))


def _show(args: argparse.Namespace, output: Output) -> int:
    from rackbench.bundles.catalog import read_sidecar

    # The sidecar is a JSON document already: it is its own best description.
    output.document(read_sidecar(there(Path(args.file))).model_dump(by_alias=True))
    return 0


def _verify(args: argparse.Namespace, output: Output) -> int:
    from rackbench.bundles.signing import SignaturePolicy

    signers = there(args.allowed_signers) if args.allowed_signers else None
    policy = SignaturePolicy(signers, args.require_signature)
    files: list[dict[str, Any]] = []
    worst = GOOD
    for name in args.files:
        try:
            files.append(_verified(name, policy))
            problems = files[-1]["problems"]
            worst = max(worst, CHECK_SAYS_NO if problems else GOOD)
            output.line(f"{name}: {'NOT GOOD' if problems else 'good'}", "bold red" if problems else "green")
            for problem in problems:
                output.line(f"  {problem}")
            if files[-1]["signer"]:
                output.line(f"  signed by {files[-1]['signer']}")
        except RackbenchError as error:
            worst = USAGE
            files.append(_verdict(name, "unreadable", [error.message]))
            if not output.as_json:
                output.error(error)
    if output.as_json:
        output.document({"schema": "rackbench.bundles-verified/1.0", "ok": worst == GOOD, "files": files})
    return worst


def _verified(name: str, policy: SignaturePolicy) -> dict[str, Any]:
    """Check one bundle. Raises `RackbenchError` when it is not there or cannot be read."""
    from rackbench.bundles.catalog import sidecar_path
    from rackbench.bundles.signing import signature_of
    from rackbench.bundles.verify import verify

    tarball = there(Path(name))
    try:
        problems = verify(tarball)
        sidecar = sidecar_path(tarball)
        # That it is missing is among the problems already.
        content = sidecar.read_bytes() if sidecar.is_file() else b""
    except OSError as error:
        raise RackbenchError(
            "bundle_unreadable", f"{name} cannot be read: {error.strerror}.", where=name
        ) from error
    signature = signature_of(tarball, policy, content)
    if signature.problem:
        problems = [*problems, signature.problem]
    return _verdict(name, "not_good" if problems else "good", problems, signature)


def _verdict(
    name: str, state: str, problems: list[str], signature: Signature | None = None
) -> dict[str, Any]:
    return {
        "path": name,
        "state": state,
        "problems": problems,
        "signer": signature.signer if signature else None,
        "key": signature.key if signature else None,
    }


def _sign(args: argparse.Namespace, output: Output) -> int:
    from rackbench.bundles.index import INDEX_NAME, write_index
    from rackbench.bundles.signing import sign

    signed = []
    for name in args.files:
        try:
            path = sign(there(Path(name)), args.key)
        except OSError as error:
            raise RackbenchError(
                "signing_failed", f"{name} is not signed: {error.filename}: {error.strerror}.", where=name
            ) from error
        signed.append({"path": name, "signature": str(path)})
        output.line(f"{name}: signed, {path}")
    # An index names the signatures too.
    for directory in sorted({there(Path(name)).parent for name in args.files}):
        if (directory / INDEX_NAME).is_file():
            write_index(directory)
    if output.as_json:
        output.document({"schema": "rackbench.bundles-signed/1.0", "files": signed})
    return 0


def _prune(args: argparse.Namespace, output: Output) -> int:
    if not args.host:
        raise RackbenchError(
            "wrong_usage",
            "rackbench bundle prune: say on which hosts with --host.",
            next_command="rackbench bundle prune --host HOST --check",
        )
    if args.keep_days is not None and not args.keep_days >= 0:
        raise RackbenchError("wrong_usage", f"--keep-days is {args.keep_days}, and must be 0 or more.")
    return cleaning.clean("prune", args.host, output, check=args.check, keep_days=args.keep_days)
