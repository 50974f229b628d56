# SPDX-License-Identifier: Apache-2.0
"""Where a remote is on the web, and which page compares a branch there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench.publish.forge import compare_url, forge_of

BRANCH = "results/thor/20261121T080000Z-thor/latency"
COMPARED = f"main...{BRANCH}"


@pytest.mark.parametrize(
    ("url", "kind", "compared"),
    [
        ("git@github.com:lab/r.git", None, f"https://github.com/lab/r/compare/{COMPARED}?expand=1"),
        ("https://github.com/lab/r", None, f"https://github.com/lab/r/compare/{COMPARED}?expand=1"),
        ("https://github.com/lab/r.git/", None, f"https://github.com/lab/r/compare/{COMPARED}?expand=1"),
        ("ssh://git@github.com/lab/r.git", None, f"https://github.com/lab/r/compare/{COMPARED}?expand=1"),
        ("ssh://git@ssh.github.com:443/lab/r", None, f"https://github.com/lab/r/compare/{COMPARED}?expand=1"),
        ("git@GitHub.com:/lab/r.git", None, f"https://github.com/lab/r/compare/{COMPARED}?expand=1"),
        ("git://github.com/lab//r", None, f"https://github.com/lab/r/compare/{COMPARED}?expand=1"),
        (
            "git@ghe.lab.example:lab/r.git",
            "github",
            f"https://ghe.lab.example/lab/r/compare/{COMPARED}?expand=1",
        ),
        (
            "https://ghe.lab.example:8443/lab/r.git",
            "github",
            f"https://ghe.lab.example:8443/lab/r/compare/{COMPARED}?expand=1",
        ),
        ("git@gitlab.com:a/b/c.git", None, f"https://gitlab.com/a/b/c/-/compare/{COMPARED}"),
        ("ssh://git@altssh.gitlab.com:443/a/b.git", None, f"https://gitlab.com/a/b/-/compare/{COMPARED}"),
        (
            "https://gitlab.lab.example/a/b.git",
            None,
            f"https://gitlab.lab.example/a/b/-/compare/{COMPARED}",
        ),
        ("git@git.lab.example:a/b.git", "gitlab", f"https://git.lab.example/a/b/-/compare/{COMPARED}"),
        ("https://codeberg.org/a/b", None, f"https://codeberg.org/a/b/compare/{COMPARED}"),
        ("ssh://git@gitea.lab:2222/a/b.git", None, f"https://gitea.lab/a/b/compare/{COMPARED}"),
        ("forgejo@forgejo.lab:a/b.git", None, f"https://forgejo.lab/a/b/compare/{COMPARED}"),
        ("http://gitea.lab:3000/a/b.git", None, f"http://gitea.lab:3000/a/b/compare/{COMPARED}"),
        ("https://code.lab/git/a/b.git", "gitea", f"https://code.lab/git/a/b/compare/{COMPARED}"),
        ("https://git.lab.example/r.git", None, "https://git.lab.example/r"),
        ("https://git.lab.example:443/x/y/r", "plain", "https://git.lab.example/x/y/r"),
        ("https://gitlab.com/a/b", "plain", "https://gitlab.com/a/b"),
        (
            "https://github.com.evil.example/lab/r",
            None,
            "https://github.com.evil.example/lab/r",
        ),
        ("https://[fd00::1]:3000/a/b", "gitea", f"https://[fd00::1]:3000/a/b/compare/{COMPARED}"),
        (
            "https://gitlab.lab/a%20b/c%23d.git",
            None,
            f"https://gitlab.lab/a%20b/c%23d/-/compare/{COMPARED}",
        ),
        ("git@gitlab.lab:ä/b&c.git", None, f"https://gitlab.lab/%C3%A4/b%26c/-/compare/{COMPARED}"),
    ],
)
def test_a_remote_has_a_page_that_compares(url: str, kind: str | None, compared: str) -> None:
    forge = forge_of(url, kind)
    assert forge is not None
    assert compare_url(forge, "main", BRANCH) == compared


@pytest.mark.parametrize(
    "url",
    [
        "https://user:hunter2@github.com/lab/r.git",
        "https://hunter2@gitlab.com/lab/r.git",
        "ssh://hunter2:hunter2@gitea.lab:22/lab/r",
        "hunter2@github.com:lab/r",
        "https://x-access-token:hunter2@git.lab.example/lab/r",
    ],
)
def test_users_and_passwords_are_never_shown(url: str) -> None:
    forge = forge_of(url, None)
    assert forge is not None
    assert "hunter2" not in f"{forge} {compare_url(forge, 'main', BRANCH)}"


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("/srv/git/results.git", None),
        ("../results", None),
        ("./a:b/c", "github"),
        ("file:///srv/git/results.git", "github"),
        ("", "github"),
        ("git@lab-host:/srv/git/results.git", None),
        ("ssh://git@lab-host:2222/srv/git/results.git", None),
        ("git@lab-host:~/results.git", "gitlab"),
        ("git@github.com:results.git", None),
        ("https://github.com/a/b/c", None),
        ("https://github.com/", None),
        ("https://github.com/a/..", None),
        ("https://github.com/a/b?token=hunter2", None),
        ("https://github.com:port/a/b", None),
        ("https://git hub.com/a/b", None),
        ("https://github.com/a/b%0a", None),
        ("https://evil.example\\@github.com/a/b", "plain"),
        ("https://[::1/a/b", "plain"),
        ("s3://bucket/a/b", "plain"),
        ("ext::sh -c x", "github"),
    ],
)
def test_what_no_browser_opens_has_no_page(url: str, kind: str | None) -> None:
    assert forge_of(url, kind) is None


@pytest.mark.parametrize(
    ("base", "branch", "compared"),
    [
        ("main", "results/a#b/c?d", "main...results/a%23b/c%3Fd"),
        ("release/1.0", "results/a b/ü%", "release/1.0...results/a%20b/%C3%BC%25"),
        ("main", "results/a&b=c/d+e@f:g", "main...results/a%26b%3Dc/d%2Be%40f%3Ag"),
        ("main", "results/<x>\"'/y", "main...results/%3Cx%3E%22%27/y"),
    ],
)
def test_names_of_branches_are_percent_encoded(base: str, branch: str, compared: str) -> None:
    forge = forge_of("git@gitlab.com:a/b", None)
    assert forge is not None
    assert compare_url(forge, base, branch) == f"https://gitlab.com/a/b/-/compare/{compared}"


@given(
    st.one_of(st.text(), st.from_regex(r"(https?|ssh|git)://[^\n]*", fullmatch=True)),
    st.sampled_from([None, "github", "gitlab", "gitea", "plain"]),
    st.text(),
)
def test_every_address_gives_a_page_of_plain_characters_or_none(
    url: str, kind: str | None, branch: str
) -> None:
    forge = forge_of(url, kind)
    if forge is not None:
        page = compare_url(forge, "main", branch)
        assert page is not None
        assert page.isascii()
        assert page.isprintable()
        assert not set(page) & set(" \"'<>\\^`{|}@#")
