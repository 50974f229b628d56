# SPDX-License-Identifier: Apache-2.0
"""What the words of ssh mean."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.errors import FAILURES
from rackbench.transport import failures

CLOSED = "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by UNKNOWN port 65535\r\n"


@pytest.mark.parametrize(
    ("stderr", "code", "cause", "retry"),
    [
        ("ssh: Could not resolve hostname thr: Name or service not known\r\n", "unreachable", "name", True),
        ("ssh: connect to host 10.0.0.1 port 22: Connection refused\r\n", "unreachable", "network", True),
        ("ssh: connect to host 10.0.0.1 port 22: Connection timed out\r\n", "unreachable", "timeout", True),
        (
            "channel 0: open failed: connect failed: Connection refused\r\nstdio forwarding failed\r\n"
            + CLOSED,
            "unreachable",
            "network",
            True,
        ),
        (
            "channel 0: open failed: administratively prohibited: open failed\r\n" + CLOSED,
            "unreachable",
            "forwarding",
            False,
        ),
        ("jump@thor: Permission denied (password).\r\n", "auth_refused", "auth", False),
        (
            'Load key "/k": incorrect passphrase supplied to decrypt private key\r\nu@h: Permission denied (key).',
            "auth_refused",
            "auth",
            False,
        ),
        (
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.\n",
            "host_key_changed",
            "host key",
            False,
        ),
        (
            "No ED25519 host key is known for thor and you have requested strict checking.\r\n",
            "host_key_unknown",
            "host key",
            False,
        ),
        ("the lab is not running: make lab-up\n" + CLOSED, "unreachable", "network", True),
        (
            "banner exchange: Connection to 10.0.0.1 port 22: Connection timed out",
            "unreachable",
            "timeout",
            True,
        ),
        ("", "unreachable", "network", True),
    ],
)
def test_ssh_words_have_a_code_and_a_cause(stderr: str, code: str, cause: str, retry: bool) -> None:
    found = failures.classify(stderr)
    assert (found.code, found.cause, found.retry) == (code, cause, retry)


def test_the_words_of_a_proxy_command_are_kept() -> None:
    assert (
        failures.classify("the lab is not running: make lab-up\n" + CLOSED).message
        == "the lab is not running: make lab-up"
    )


def test_the_openers_line_is_found_in_what_ansible_says() -> None:
    line = failures.marked("auth_refused", "thor", "auth", "jump@192.0.2.1 port 22:\n Permission denied")
    error = failures.connection_error("turind8", f"Failed to connect to the host via ssh: {line}\r\n{CLOSED}")
    assert error.code == "auth_refused"
    assert error.where == "thor"
    assert error.message == "turind8, at hop thor: auth: jump@192.0.2.1 port 22: Permission denied"
    assert error.next_command == "rackbench validate --host turind8 --scope connectivity"
    assert error.exit_status == 3


def test_a_connection_that_broke_during_a_task_leaves_the_outcome_open() -> None:
    text = 'Data could not be sent to remote host "t". Make sure this host can be reached over ssh: closed.'
    error = failures.connection_error("t", text)
    assert error.code == "host_unreachable"
    assert "whether it ran to its end is not known" in error.message


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=300))
def test_any_text_becomes_an_error_with_a_known_code(text: str) -> None:
    assert failures.connection_error("host", text).code in FAILURES


def test_a_changed_host_key_is_told_by_the_line_that_names_the_host() -> None:
    said = (
        "@@@@@@@@@@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@@@@@@@@@@@\n"
        "IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\n"
        "Host key for turind8 has changed and you have requested strict checking.\nHost key verification failed.\n"
    )
    finding = failures.classify(said)
    assert (finding.code, finding.cause) == ("host_key_changed", "host key")
    assert finding.message == "Host key for turind8 has changed and you have requested strict checking."
