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
#include "nodes.h"
#include "results.h"

enum { MAX_POINTS = 400, LLC_FACTOR = 4, MAX_HUGETLB = 8, MAX_VARIANTS = 2 * MAX_NODES + MAX_HUGETLB };

// Memory of one kind, in which every size from from_bytes is walked.
struct variant {
    struct pages pages;
    bool remote;
    int node;
    uint64_t from_bytes;
};

struct curve {
    uint64_t bytes[MAX_POINTS];  // ascending
    size_t points;
    struct variant variants[MAX_VARIANTS];  // the first is the one that the summaries are of
    size_t variant_count;
    struct caches caches;
    struct huge_pages huge;
    struct pages hugetlb[MAX_HUGETLB];
    size_t hugetlb_count;
    struct nodes nodes;
};

// root stands before the /sys of CPUs and nodes: "" for this machine.
void curve_plan(struct curve *curve, const struct job *job, const char *root, int cpu);
uint64_t curve_measurements(const struct curve *curve);
double curve_expected_s(const struct curve *curve, const struct job *job);
bool curve_run(const struct curve *curve, const struct job *job, int cpu, const struct control *control,
               struct results *results);  // false: a file could not be opened

#endif
