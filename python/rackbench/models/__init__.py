# SPDX-License-Identifier: Apache-2.0
"""Pydantic models of every file that Rackbench reads or writes, and nothing else."""
