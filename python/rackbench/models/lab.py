# SPDX-License-Identifier: Apache-2.0
"""The lab inventory file: machines, the hops on the way to them, and references to secrets (never the secrets)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from rackbench.models.common import StrictModel

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Address = Annotated[str, Field(pattern=r"^[A-Za-z0-9:][A-Za-z0-9_.:%-]{0,254}$")]
UserName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,31}\$?$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
Arguments = Annotated[list[Annotated[str, Field(pattern=r"^[^\x00\n\r]*$")]], Field(min_length=1)]
KnownKey = Annotated[str, Field(pattern=r"^(ssh|ecdsa|sk)-[A-Za-z0-9@.-]+ [A-Za-z0-9+/=]+$")]


class PasswordEnv(StrictModel):
    """A password in an environment variable of the controller."""

    type: Literal["password_env"]
    variable: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")


class Command(StrictModel):
    """A password that a program prints on its first line: a password manager. No shell is involved."""

    type: Literal["command"]
    command: Arguments


class Vault(StrictModel):
    """A password that stands in the file itself, encrypted by ansible-vault (`!vault`)."""

    type: Literal["vault"]
    value: str = Field(pattern=r"^\s*\$ANSIBLE_VAULT;")


class KeyFile(StrictModel):
    """A private key. `passphrase` names the auth reference that holds its passphrase."""

    type: Literal["key_file"]
    path: str = Field(min_length=1, pattern=r"^[^\x00\n\r\"]+$")
    passphrase: str | None = None


class Agent(StrictModel):
    """The keys in the ssh agent of the user who starts the run."""

    type: Literal["agent"]


class SshConfig(StrictModel):
    """The keys that the user's own ssh configuration gives for `host` (default: the hostname in the lab file)."""

    type: Literal["ssh_config"]
    host: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$")


AuthRef = Annotated[PasswordEnv | Command | Vault | KeyFile | Agent | SshConfig, Field(discriminator="type")]
PASSWORD_TYPES = ("password_env", "command", "vault")


class Retry(StrictModel):
    """How often a connection is tried: names, networks and time-outs are; refused auth and changed keys never."""

    attempts: int = Field(default=3, ge=1, le=100)
    backoff_s: float = Field(default=2.0, ge=0, le=300)
    connect_timeout_s: int = Field(default=10, ge=1, le=300)


class Become(StrictModel):
    """How to become root: the auth reference that holds the password sudo asks for."""

    auth_ref: str


class Defaults(StrictModel):
    """What hosts and hops take when they do not say otherwise."""

    user: UserName | None = None
    port: Port = 22
    auth_ref: str | None = None
    become: Become | None = None
    retry: Retry = Retry()
    python: str | None = None
    vars: dict[str, Any] = Field(default_factory=dict)


class Hop(StrictModel):
    """A jump box. `via` names the hop before it; `proxy_command` is a program that carries the bytes to it."""

    hostname: Address
    user: UserName | None = None
    port: Port | None = None
    auth_ref: str | None = None
    host_key: KnownKey | None = None
    via: str | None = None
    proxy_command: Arguments | None = None
    retry: Retry | None = None


class Direct(StrictModel):
    """The host is reached without a jump box."""

    type: Literal["direct"]


class JumpChain(StrictModel):
    """The host is reached through these hops, the first being the nearest to the controller."""

    type: Literal["jump_chain"]
    hops: Annotated[list[str], Field(min_length=1)]


Transport = Annotated[Direct | JumpChain, Field(discriminator="type")]


class Host(StrictModel):
    """A machine of the lab. A host with the name of a hop is that hop, and takes its address from there."""

    hostname: Address | None = None
    user: UserName | None = None
    port: Port | None = None
    auth_ref: str | None = None
    host_key: KnownKey | None = None
    proxy_command: Arguments | None = None
    transport: Transport | None = None
    retry: Retry | None = None
    become: Become | None = None
    python: str | None = None
    display_name: str | None = None
    tags: list[Tag] = Field(default_factory=list)
    vars: dict[str, Any] = Field(default_factory=dict)


class Lab(StrictModel):
    """A lab inventory file, `rackbench.lab/1.0`."""

    schema_: str = Field(alias="schema", pattern=r"^rackbench\.lab/1\.\d+$")
    plugin: Literal["rackbench.lab.lab"]
    known_hosts: str | None = None
    auth_refs: dict[Name, AuthRef] = Field(default_factory=dict)
    defaults: Defaults = Defaults()
    hops: dict[Name, Hop] = Field(default_factory=dict)
    hosts: dict[Name, Host] = Field(default_factory=dict)
