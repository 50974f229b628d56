#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds bin/run below BUNDLE_OUT. Run it in this directory. The flags are fixed, and nothing in them
# depends on the path of the checkout, so that the same source and compiler give the same bytes.
set -eu
export LC_ALL=C
: "${BUNDLE_OUT:?BUNDLE_OUT must name the directory for the built files}"
mkdir -p "$BUNDLE_OUT/bin"
exec cc -std=c11 -O2 -Wall -Wextra -Werror -pthread -D_GNU_SOURCE "-ffile-prefix-map=$PWD=." \
    -o "$BUNDLE_OUT/bin/run" src/*.c -Wl,--build-id=none -s -lm
