// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "memory_curve.h"

// What a load is taken to need, to plan the time: more than it does on the machines that we know.
static const double CACHED_S = 40e-9;
static const double MEMORY_S = 300e-9;

static int compare_sizes(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

// Whole pages for all but the smallest, so that a size is also what the kernel maps.
static void add(struct curve *curve, double bytes) {
    uint64_t unit = bytes < 65536 ? 1024 : 4096;
    uint64_t size = ((uint64_t)bytes + unit - 1) / unit * unit;
    uint64_t last = curve->caches.llc_bytes * LLC_FACTOR;
    if (size < last && curve->points < MAX_POINTS - 1) {
        curve->bytes[curve->points++] = size;
    }
}

static void plan_sizes(struct curve *curve, const struct job *job) {
    double first = (double)curve->caches.l1_bytes / 2;
    double llc = (double)curve->caches.llc_bytes;
    if (job->points_per_octave > 0) {
        for (int i = 0; first * exp2((double)i / (double)job->points_per_octave) < llc * LLC_FACTOR; i++) {
            add(curve, first * exp2((double)i / (double)job->points_per_octave));
        }
    } else {
        add(curve, first);
        add(curve, (double)curve->caches.l1_bytes);
        for (int level = 2; level <= MAX_LEVELS; level++) {
            double half = (double)curve->caches.level_bytes[level] / 2;
            if (half > first && half < llc / 2) {
                add(curve, half);
            }
        }
        add(curve, llc / 2);
    }
    curve->bytes[curve->points++] = (curve->caches.llc_bytes * LLC_FACTOR + 4095) / 4096 * 4096;
    qsort(curve->bytes, curve->points, sizeof *curve->bytes, compare_sizes);
    size_t kept = 1;
    for (size_t i = 1; i < curve->points; i++) {
        if (curve->bytes[i] != curve->bytes[kept - 1]) {
            curve->bytes[kept++] = curve->bytes[i];
        }
    }
    curve->points = kept;
}

static void add_variant(struct curve *curve, const struct pages *pages, int node, uint64_t from_bytes) {
    curve->variants[curve->variant_count++] =
        (struct variant){*pages, node != curve->nodes.cpu_node, node, from_bytes};
}

// On the CPU's own node all page sizes and all sizes. On the others what does not fit into the caches: a line that is
// in a cache does not show where its memory is.
static void plan_variants(struct curve *curve) {
    const struct nodes *nodes = &curve->nodes;
    struct pages base = memory_base_pages();
    struct pages huge = memory_transparent_pages(&curve->huge);
    size_t own = 0;
    while (own + 1 < nodes->count && nodes->memory[own] != nodes->cpu_node) {
        own++;
    }
    int nearest = nodes->memory[own];
    add_variant(curve, &base, nearest, 0);
    if (curve->huge.usable) {
        add_variant(curve, &huge, nearest, 0);
    }
    for (size_t i = 0; i < curve->hugetlb_count; i++) {
        if (memory_hugetlb_free(&curve->hugetlb[i], -1) > 0) {
            add_variant(curve, &curve->hugetlb[i], nearest, 0);
        }
    }
    for (size_t i = 0; i < nodes->count; i++) {
        if (nodes->memory[i] != nearest) {
            add_variant(curve, &base, nodes->memory[i], curve->caches.llc_bytes);
        }
        if (nodes->memory[i] != nearest && curve->huge.usable) {
            add_variant(curve, &huge, nodes->memory[i], curve->caches.llc_bytes);
        }
    }
}

void curve_plan(struct curve *curve, const struct job *job, const char *root, int cpu) {
    memset(curve, 0, sizeof *curve);
    caches_read(&curve->caches, root, cpu, job->l1_bytes, job->llc_bytes);
    memory_huge_pages(&curve->huge);
    curve->hugetlb_count = memory_hugetlb_pages(curve->hugetlb, MAX_HUGETLB);
    nodes_read(&curve->nodes, root, cpu);
    plan_sizes(curve, job);
    plan_variants(curve);
}

uint64_t curve_measurements(const struct curve *curve) {
    uint64_t count = 0;
    for (size_t i = 0; i < curve->points; i++) {
        for (size_t j = 0; j < curve->variant_count; j++) {
            count += curve->bytes[i] >= curve->variants[j].from_bytes;
        }
    }
    return count;
}

double curve_expected_s(const struct curve *curve, const struct job *job) {
    double seconds = 0;
    for (size_t i = 0; i < curve->points; i++) {
        bool cached = curve->bytes[i] <= curve->caches.llc_bytes;
        double lines = (double)curve->bytes[i] / (double)curve->caches.line_bytes;
        double steps = (double)(job->samples + 1) * (double)job->chase_steps;
        seconds += lines * (cached ? CACHED_S : MEMORY_S);
        for (size_t j = 0; j < curve->variant_count; j++) {
            if (curve->bytes[i] >= curve->variants[j].from_bytes) {
                // Linking and checking the cycle goes over all lines once each.
                seconds += (steps + 2 * lines) * (cached ? CACHED_S : MEMORY_S);
            }
        }
    }
    return seconds;
}
