#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds bin/run below BUNDLE_OUT. Run it in this directory. Nothing is written into the source, nothing is downloaded,
# and nothing in the program depends on where the source is or who builds it.
set -eu
: "${BUNDLE_OUT:?BUNDLE_OUT must name the directory for the built files}"
target=$(mktemp -d)
trap 'rm -rf "$target"' EXIT
AGENTBENCH_COMPILER=$(rustc --version)
export AGENTBENCH_COMPILER
export RUSTFLAGS="--remap-path-prefix=$PWD=."
cargo build --quiet --release --offline --locked --target-dir "$target"
mkdir -p "$BUNDLE_OUT/bin"
cp "$target/release/agentbench" "$BUNDLE_OUT/bin/run"
