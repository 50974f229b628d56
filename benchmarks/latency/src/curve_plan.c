// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "memory_curve.h"

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

void curve_plan(struct curve *curve, const struct job *job, int cpu) {
    memset(curve, 0, sizeof *curve);
    caches_read(&curve->caches, cpu, job->l1_bytes, job->llc_bytes);
    memory_huge_pages(&curve->huge);
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

uint64_t curve_measurements(const struct curve *curve) {
    return curve->points * (curve->huge.usable ? 2 : 1);
}
