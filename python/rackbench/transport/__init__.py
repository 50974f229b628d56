# SPDX-License-Identifier: Apache-2.0
"""How the controller reaches the machines: the lab file, routes, ssh configuration, secrets and probes."""
