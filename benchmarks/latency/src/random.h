// SPDX-License-Identifier: Apache-2.0
// A small fixed generator (splitmix64), so that every run walks the same cycles and samples the same pairs.
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

#define RANDOM_SEED UINT64_C(20261121)

static inline uint64_t random_next(uint64_t *state) {
    uint64_t value = *state += UINT64_C(0x9E3779B97F4A7C15);
    value = (value ^ (value >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94D049BB133111EB);
    return value ^ (value >> 31);
}

// A number below bound, which is at most 2^32; the bias is below 2^-32 of a step.
static inline uint64_t random_below(uint64_t *state, uint64_t bound) {
    return ((random_next(state) >> 32) * bound) >> 32;
}

#endif
