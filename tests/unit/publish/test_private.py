# SPDX-License-Identifier: Apache-2.0
"""What may not leave the house is found wherever it stands and never quoted; what only looks like it is left alone."""

from __future__ import annotations

import bz2
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.private import findings

from tests.standins.geekbench.archive import CLAIM_KEY

DATA = Path(__file__).parents[2] / "data"
# In parts, so that no scanner takes this file for one that gives something away.
SECRETS = {
    "pem": ("-----BEGIN RSA " + "PRIVATE KEY-----", "a private key"),
    "openssh": ("-----BEGIN OPENSSH " + "PRIVATE KEY-----", "a private key"),
    "pgp": ("-----BEGIN PGP " + "PRIVATE KEY BLOCK-----", "a private key"),
    "age": ("AGE-SECRET-" + "KEY-1" + "Q9" * 29, "a private key"),
    "vault": ("$ANSIBLE_" + "VAULT;1.1;AES256", "text encrypted by ansible-vault"),
    "aws": ("AK" + "IA" + "Q3EXAMPLE7EXAMPL", "an access key of AWS"),
    "github": ("gh" + "p_" + "a1" * 18, "a token of GitHub"),
    "github-fine": ("github_" + "pat_" + "a1" * 20, "a token of GitHub"),
    "gitlab": ("gl" + "pat-" + "a1" * 10, "a token of GitLab"),
    "slack": ("xo" + "xb-" + "1234567890-abc", "a token of Slack"),
    "slack-hook": ("https://hooks." + "slack.com/services/T0/B0/x", "a webhook of Slack"),
    "google": ("AI" + "za" + "a1" * 17 + "b", "a key of Google"),
    "jwt": ("ey" + "JhbGciOiJIUzI1NiJ9" + ".ey" + "JzdWIiOiIxMjM0In0.abc", "a JSON web token"),
    "npm": ("np" + "m_" + "a1" * 18, "a token of npm"),
    "pypi": ("py" + "pi-AgE" + "a1" * 20, "a token of PyPI"),
    "stripe": ("sk_" + "live_" + "a1" * 10, "a key of Stripe"),
    "api": ("sk-" + "ant-" + "a1" * 20, "a key of an API"),
    "hugging": ("h" + "f_" + "aB" * 17, "a token of Hugging Face"),
    "hashicorp": ("hv" + "s." + "a1" * 14, "a token of HashiCorp Vault"),
    "shadow": ("root:$" + "6$salt$" + "aB1/" * 20, "the hash of a password"),
    "bearer": ("Authorization: " + "Bearer abc123def456", "a header that logs somebody in"),
    "url": ("postgresql://bench:" + "hunter2@db/x", "an address with a password in it"),
    "claim": (
        f"https://browser.geekbench.com/v6/cpu/12/claim?key={CLAIM_KEY}",
        "a link that claims a Geekbench result",
    ),
    "claim-path": (f"see /claim?key={CLAIM_KEY}", "a link that claims a Geekbench result"),
}
ASSIGNED = [
    "password=hunter2",
    "password: hunter2",
    "DB_PASSWORD = hunter",
    '"password": "correct horse"',
    '{\\"api_key\\": \\"a1b2c3d4\\"}',
    "--password hunter2",
    "export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG",
    "auth_token: 'abcd1234efgh'",
    "client_secret=longwordwithoutdigits",
    "net.ipv4.tcp_fastopen_key = 1a2b3c4d-1a2b3c4d-1a2b3c4d-1a2b3c4d",
    f'"claim_key": "{CLAIM_KEY}"',
]
QUIET = [
    "password: [redacted-secret]",
    "password=",
    "password: null",
    'password: "{{ lab_password }}"',
    "password=$DB_PASSWORD",
    "token: <your token here>",
    "token=****",
    '"tokens": 4096, "max_tokens": 4096, "token": 128',
    "tokens_per_s: 41.5",
    "Administrator Password Status: Disabled",
    "Keyboard Password Status: Unknown",
    "Power-On Password: Disabled",
    "passphrase_file: /etc/lab/passphrase",
    "private_key: ~/.ssh/id_ed25519",
    'licence: "secret:geekbench-licence"',
    "Without a password: otherwise, who is not root is not asked.",
    "net.ipv4.tcp_fastopen_key = 00000000-00000000-00000000-00000000",
    "password=getpass()",
    "PasswordAuthentication yes",
    "https://github.com/lab/results and git@github.com:lab/results.git",
    "ssh://git@example.org:22/x",
    "Claim the result at browser.geekbench.com/v6/cpu/12",
    "https://browser.geekbench.com/v6/cpu/12/claim[redacted]",
    "-----BEGIN PUBLIC KEY-----",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8n",
    "sk-ssh-ed25519@openssh.com",
    "SHA256:ZISbVNMaM+xQhACHLqX1GVmkh9scYjFXszaKyr/ppwM",
    "model name\t: AMD EPYC 9755 128-Core Processor",
    "ab" * 32,
]


def found(content: bytes, forbidden: dict[str, str] | None = None) -> list[tuple[int | None, str]]:
    """Return line and kind of what is found in a file."""
    return [(each.line, each.what) for each in findings("a.txt", content, forbidden or {})]


@pytest.mark.parametrize(("text", "what"), SECRETS.values(), ids=SECRETS)
def test_a_secret_is_found_on_its_line_and_not_quoted(text: str, what: str) -> None:
    told = list(findings("out/a.txt", f"first\nsecond\n  {text}\nlast\n".encode(), {}))
    assert (3, what) in [(each.line, each.what) for each in told]
    assert {each.line for each in told} == {3}
    for each in told:
        assert str(each) == f"out/a.txt, line 3: {each.what}"
        assert text not in str(each)
        assert CLAIM_KEY not in str(each)


@pytest.mark.parametrize("text", ASSIGNED)
def test_a_value_that_is_assigned_to_a_secrets_name_is_found(text: str) -> None:
    assert found(f"first\n{text}\n".encode()) == [(2, "a value that looks like a password, a token or a key")]


@pytest.mark.parametrize("text", QUIET)
def test_what_only_looks_like_a_secret_is_left_alone(text: str) -> None:
    assert found(f"first\n{text}\nlast\n".encode()) == []


@pytest.mark.parametrize("name", ["github", "claim", "pem", "url"])
def test_a_secret_in_another_writing_is_found(name: str) -> None:
    text, what = SECRETS[name]
    ways = {
        "utf-16": text.encode("utf-16"),
        "in a binary": b"\x7fELF\0\xff\0" + text.encode() + b"\0\x80",
        "slashes escaped": text.replace("/", "\\/").encode(),
        "letters escaped": text.replace("e", "\\u0065").replace(":", "\\u003a").encode(),
        "as in an address": text.replace("?", "%3F").replace("=", "%3D").replace("-", "%2D").encode(),
    }
    for way, content in ways.items():
        assert what in [each for _line, each in found(content)], way


def test_a_forbidden_word_is_found_in_any_case_and_only_by_itself() -> None:
    forbidden = {"turind8": "the host", "EPYC 9xx5": "the processor"}
    content = b"TURIND8\nturind80\nrun-turind8.csv\nepyc  9XX5\nepyc_9xx5\nEPYC 9xx55\n"
    assert found(content, forbidden) == [
        (1, "the host"),
        (3, "the host"),
        (4, "the processor"),
        (5, "the processor"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "cafÉ-mÜnchen",
        "CAFE\u0301 MU\u0308NCHEN",
        "caf\\u00e9 m\\u00FCnchen",
        "caf\\u00c9_mu\\u0308nchen",
        "caf%C3%89%20M%c3%bcnchen",
    ],
)
def test_a_forbidden_word_outside_ascii_is_found_however_it_is_written(text: str) -> None:
    for word in ("Café München", "Cafe\u0301 Mu\u0308nchen"):
        assert found(f"first\nx {text}.\n".encode(), {word: "x"}) == [(2, "x")]


def test_a_forbidden_word_outside_ascii_is_found_beside_bytes_that_are_no_text() -> None:
    assert found(b"\xff\n\xffSTRASSE\xff\n", {"Straße": "x"}) == [(2, "x")]


def test_a_forbidden_word_in_the_name_of_a_file_is_found() -> None:
    (each,) = findings("turind8/a.csv", b"", {"turind8": "the host"})
    assert (each.line, str(each)) == (None, "turind8/a.csv, its name: the host")


def test_a_forbidden_word_with_signs_is_no_pattern() -> None:
    assert found(b"a+b (c)\naab c\n", {"a+b (c)": "it"}) == [(1, "it")]


@settings(max_examples=200)
@given(
    st.lists(
        st.one_of(st.binary(max_size=8), st.sampled_from([text.encode() for text in ASSIGNED])), max_size=5
    )
)
def test_no_bytes_break_it_and_lines_are_those_of_the_file(parts: list[bytes]) -> None:
    content = b"\n".join(parts)
    assert all(1 <= (line or 1) <= content.count(b"\n") + 1 for line, _what in found(content, {"x": "x"}))


def test_long_lines_take_no_long_time() -> None:
    # Patterns that go back and forth would not end on these within the limit of a test run.
    for piece in (b"password", b"://a:", b"geekbench.com/", b"eyJaaaaaaaa", b"token: ", b"$6$a", b"--token "):
        found(piece * 20_000)


@pytest.mark.parametrize("folder", sorted(path.name for path in DATA.iterdir() if path.is_dir()))
def test_nothing_is_found_in_what_real_machines_and_benchmarks_said(folder: str) -> None:
    for path in sorted((DATA / folder).rglob("*")):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            content = bz2.decompress(content) if path.suffix == ".bz2" else content
            assert [str(each) for each in findings(path.name, content, {})] == []
