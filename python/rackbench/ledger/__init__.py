# SPDX-License-Identifier: Apache-2.0
"""The journal of a run and everything that is computed from it.

`events.jsonl` is the truth; all other documents are pure functions of it and of the files present. Nothing here imports
more than the standard library, because the callback and `rackbench status` start with it.
"""
