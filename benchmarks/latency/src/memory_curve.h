// SPDX-License-Identifier: Apache-2.0
// The memory latency curve: from below the L1 cache to four times the last-level cache.
#ifndef MEMORY_CURVE_H
#define MEMORY_CURVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "caches.h"
#include "control.h"
#include "job.h"
#include "memory.h"
#include "results.h"

enum { MAX_POINTS = 400, LLC_FACTOR = 4 };

struct curve {
    uint64_t bytes[MAX_POINTS];  // ascending
    size_t points;
    struct caches caches;
    struct huge_pages huge;
};

void curve_plan(struct curve *curve, const struct job *job, int cpu);
uint64_t curve_measurements(const struct curve *curve);
bool curve_run(const struct curve *curve, const struct job *job, int cpu, const struct control *control,
               struct results *results);  // false: a file could not be opened

#endif
