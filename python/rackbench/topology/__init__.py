# SPDX-License-Identifier: Apache-2.0
"""What processors a host has: one model from sysfs, lscpu and lstopo; CPU pools and splits."""
