# SPDX-License-Identifier: Apache-2.0
"""The page that goes with a submission: the commands that bring it to a corpus, ready to be copied."""

from __future__ import annotations

import hashlib
import posixpath
import re
from typing import TYPE_CHECKING

from rackbench.corpus.checks import listed
from rackbench.corpus.read import BUNDLE, role_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rackbench.corpus.validate import Checked

TITLE = "# Submit these results to a corpus\n"

_PAGE = """{title}
`rackbench submit` has packaged {count}, and checked them as the corpus's CI does. Do not edit the files: their
hashes are in the manifests.

| Result | Benchmark | Platform |
|---|---|---|
{rows}

## Next
Fork and clone the corpus, and correct the first line, which says where your clone is. The second is right unless the
corpus takes results on another branch. Call all in this directory; the first command that fails ends it.

```sh
CORPUS=../corpus/results-data
BASE=published-results
git -C "$CORPUS" fetch origin &&
git -C "$CORPUS" switch --create {branch} "origin/$BASE" &&
mkdir -p "$CORPUS/bundles" &&
cp -R bundles/. "$CORPUS/bundles/" &&
cd "$CORPUS" &&
git diff --exit-code -- bundles &&
rackbench corpus inventory --write &&
rackbench corpus validate --require-manifest {bundles} &&
rackbench corpus validate . &&
git add {files} corpus-inventory.json &&
git commit --message '{subject}' &&
git push --set-upstream origin {branch} &&
gh pr create --base "$BASE" --title '{subject}' --body 'Packaged by rackbench submit.'
```

`git diff` must be silent: what it shows is a result that the corpus has already and that these files replace. The last
check also tells when a benchmark has results of too few platforms to be compared: then submit those of the others
together with these.
"""


def text(bundles: Sequence[Checked], files: Iterable[str]) -> str:
    """Return the page of a submission of `bundles`, whose files have these paths in it, and so in the corpus.

    The paths have only what the corpus allows in names; what else bundles say gets into no command as it is.
    """
    files = sorted(files)
    digests = "".join(sorted(str(one.seen.sha256) for one in bundles))
    told = [
        (
            posixpath.basename(one.path),
            *(_harmless(one.seen.facts[key] or "") for key in ("benchmark", "platform")),
        )
        for one in bundles
    ]
    return _PAGE.format(
        title=TITLE,
        count="one result" if len(told) == 1 else f"{len(told)} results",
        rows="\n".join(
            f"| `{name}` | {benchmark} | {platform} |" for name, benchmark, platform in sorted(told)
        ),
        branch=f"submit-{hashlib.sha256(digests.encode()).hexdigest()[:12]}",
        bundles=" ".join(name for name in files if role_of(posixpath.basename(name)) == BUNDLE),
        files=" ".join(files),
        subject=f"results: {listed(sorted({benchmark for _name, benchmark, _platform in told}), 4)}",
    )


def _harmless(said: str) -> str:
    """Return what a bundle says of itself, fit for a shell's quotes and for a table."""
    return re.sub(r"[^A-Za-z0-9 ._()+-]", " ", said)[:80]
