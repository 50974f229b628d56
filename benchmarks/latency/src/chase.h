// SPDX-License-Identifier: Apache-2.0
// The pointer chase: a random Hamiltonian cycle with one pointer per cache line.
#ifndef CHASE_H
#define CHASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control.h"

struct line {
    struct line *next;
    uint64_t position;  // along the cycle; says where a chase must end
};

struct cycle {
    unsigned char *base;
    size_t stride;  // bytes from line to line
    uint64_t lines;
};

// A random order of the numbers below lines (at most 2^32). NULL without memory or when stopped.
uint32_t *chase_order(uint64_t lines, const struct control *control);
// Links the lines in that order; false when stopped.
bool chase_link(const struct cycle *cycle, const uint32_t *order, const struct control *control);
// Reads every line and its successor: that each position is one above the one before proves a single
// cycle over all lines. It also brings the lines as near as their number allows.
bool chase_is_one_cycle(const struct cycle *cycle);
// The measured loop: each load needs the result of the one before.
struct line *chase(struct line *line, uint64_t steps);
// Runs the loop on a small cycle: it must end where it should, and its time must grow with its steps.
bool chase_self_check(char *detail, size_t size);

#endif
