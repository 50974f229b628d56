# SPDX-License-Identifier: Apache-2.0
"""Publish targets: what may stand in lab_publish_targets, and which addresses are one repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench.errors import RackbenchError
from rackbench.publish.target import Target, same_remote, shown, targets


def refusal(entry: Any, key: Any = "latency") -> RackbenchError:
    with pytest.raises(RackbenchError) as caught:
        targets({key: entry}, Path("/lab"))
    assert caught.value.code == "publish_target_invalid"
    assert f"lab_publish_targets.{key}" in caught.value.message
    return caught.value


def test_a_target_needs_only_its_clone() -> None:
    assert targets({"latency": {"repo": "../results"}}, Path("/lab")) == {
        "latency": Target("latency", Path("/results"), "origin", None, "main", "results", None, False, False)
    }


def test_no_targets_are_no_targets() -> None:
    assert targets({}, Path("/lab")) == {}


def test_a_relative_file_as_remote_is_relative_to_the_project() -> None:
    made = targets({"latency": {"repo": "results", "remote_url": "../bare.git"}}, Path("/lab/project"))
    assert made["latency"].remote_url == "/lab/bare.git"


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({}, "repo"),
        ({"repo": ""}, "repo"),
        ({"repo": 7}, "repo"),
        ({"repo": "x", "repositry": "y"}, "repositry"),
        ({"repo": "x", "remote": "--upload-pack=touch"}, "remote"),
        ({"repo": "x", "base_branch": "-f"}, "base_branch"),
        ({"repo": "x", "base_branch": "a..b"}, "base_branch"),
        ({"repo": "x", "base_branch": "main~1"}, "base_branch"),
        ({"repo": "x", "directory": "../elsewhere"}, "directory"),
        ({"repo": "x", "directory": "/results"}, "directory"),
        ({"repo": "x", "directory": ".git/hooks"}, "directory"),
        ({"repo": "x", "remote_url": "--upload-pack=touch"}, "remote_url"),
        ({"repo": "x", "remote_url": "ext::sh -c touch"}, "remote_url"),
        ({"repo": "x", "remote_url": "ext::sh"}, "remote_url"),
        ({"repo": "x", "forge": "sourceforge"}, "forge"),
        ({"repo": "x", "push_local": "perhaps"}, "push_local"),
        ({"repo": "x", "create_pr_local": True}, "push_local"),
        ({"repo": "x", "push_local": True, "create_pr_local": True, "forge": "gitlab"}, "forge"),
        ("../results", "dictionary"),
    ],
)
def test_a_bad_field_is_named(entry: Any, field: str) -> None:
    assert field in refusal(entry).message


@pytest.mark.parametrize("key", ["", "../x", "a b", 7])
def test_a_bad_key_is_named(key: Any) -> None:
    refusal({"repo": "x"}, key)


def test_a_list_in_place_of_targets_is_refused() -> None:
    with pytest.raises(RackbenchError, match="no mapping"):
        targets([{"repo": "x"}], Path("/lab"))  # type: ignore[arg-type]


def test_a_remote_url_with_a_password_is_refused_and_the_password_is_not_shown() -> None:
    error = refusal({"repo": "x", "remote_url": "https://bot:hunter2@github.com/lab/results.git"})
    assert "holds a password" in error.message
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    "url",
    [
        "https://hunter2@github.com/lab/results.git",
        "HTTP://hunter2@github.com/lab/results.git",
        "https://hunter2@github.com/a b",
        "https://github.com/a b?private_token=hunter2",
        "ftp::http://bot:hunter2@github.com/lab/results.git",
        ["https://hunter2@github.com/lab/results.git"],
    ],
)
def test_a_remote_url_is_never_quoted_in_its_refusal(url: Any) -> None:
    error = refusal({"repo": "x", "remote_url": url})
    assert "remote_url: " in error.message
    assert "hunter2" not in f"{error} {error.detail} {error.__cause__}"


def test_a_remote_url_is_not_quoted_in_what_is_said_of_the_whole_target() -> None:
    error = refusal({"remote_url": "https://h/?hunter2", "repo": "x", "create_pr_local": True})
    assert "push_local" in error.message
    assert "hunter2" not in f"{error} {error.__cause__}"


FORMS = (
    "git@{host}:{path}.git",
    "git@{host}:{path}",
    "{host}:{path}",
    "ssh://git@{host}/{path}.git",
    "ssh://{host}:22/{path}/",
    "https://{host}/{path}",
    "https://{host}:443/{path}.git",
    "https://bot@{host}/{path}",
    "git@{host}:/{path}",
)


@given(st.sampled_from(FORMS), st.sampled_from(FORMS))
def test_the_same_host_and_path_are_one_remote_whatever_the_protocol(one: str, other: str) -> None:
    first = one.format(host="GitHub.com", path="lab/latency-results")
    second = other.format(host="github.com", path="lab/latency-results")
    assert same_remote(first, second)
    assert not same_remote(first, other.format(host="github.com", path="lab/other"))
    assert not same_remote(first, other.format(host="gitlab.com", path="lab/latency-results"))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ann@box:results.git", "bob@box:results.git", False),
        ("ssh://git@box:2222/r", "ssh://git@box/r", False),
        ("ssh://git@box:2222/r", "ssh://git@box:2222/r.git", True),
        ("git@[::1]:r", "ssh://git@[::1]/r.git", True),
        ("ssh://git@ssh.github.com:443/lab/r", "https://github.com/lab/r", True),
        ("ssh://git@altssh.gitlab.com:443/lab/r", "git@gitlab.com:lab/r.git", True),
        ("https://github.com/Lab/R", "git@github.com:lab/r.git", True),
        ("https://box/Lab/R", "git@box:lab/r.git", False),
        ("/srv/r.git", "file:///srv/r.git", True),
        ("/srv/r.git", "/srv/../srv/r.git/", True),
        ("/srv/r.git", "/srv/other.git", False),
        ("/srv/r.git", "box:/srv/r.git", False),
        ("https://box/a%20b", "box:a b.git", True),
    ],
)
def test_users_of_ssh_ports_and_files_are_told_apart(one: str, other: str, same: bool) -> None:
    assert same_remote(one, other) is same
    assert same_remote(other, one) is same


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://bot:hunter2@box/r.git?token=x", "https://box/r.git"),
        ("https://token@box:8443/r", "https://box:8443/r"),
        ("https://box?private_token=x", "https://box"),
        ("https://bot:a?b#c@box/r#x", "https://box/r"),
        ("ftp::http://bot:hunter2@box/r", "ftp::http://box/r"),
        ("a::b::https://bot:hunter2@box/r", "a::b::https://box/r"),
        ("ext::connect --password hunter2", "ext::..."),
        ("git@github.com:lab/r.git", "github.com:lab/r.git"),
        ("ssh://git@box:2222/r", "ssh://box:2222/r"),
        ("/srv/r.git", "/srv/r.git"),
    ],
)
def test_an_address_is_shown_without_its_user(url: str, expected: str) -> None:
    assert shown(url) == expected
