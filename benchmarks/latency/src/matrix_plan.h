// SPDX-License-Identifier: Apache-2.0
// Which pairs of CPUs are measured, decided before the first of them is: all, or as many as fit into the time.
#ifndef MATRIX_PLAN_H
#define MATRIX_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "job.h"
#include "sharing.h"

struct cpu_pair {
    int cpu_a;
    int cpu_b;
    enum sharing sharing;
};

struct stratum {
    size_t total;       // pairs with this sharing
    size_t planned;
    size_t measured;
    double one_way_ns;  // as expected; negative: a trial of it passed its limit
    double pair_s;      // as expected, of one pair
};

struct matrix_plan {
    struct cpu_pair *pairs;  // all, grouped by sharing and random within it; once chosen, the chosen ones come first
    size_t total;
    size_t planned;
    size_t measured;
    struct stratum strata[SHARINGS];
    double budget_s;
    double expected_s;
    char reason[200];        // why these pairs
};

// All pairs of the CPUs, in an order that is the same each time; false: no memory.
bool pairs_list(struct matrix_plan *plan, const char *root, const int *cpus, size_t count);
// What each pair is taken to need where none can be tried.
void pairs_assume(struct matrix_plan *plan, const struct job *job);
// A pair with this latency in ns; negative: longer than its limit.
void pairs_expect(struct matrix_plan *plan, const struct job *job, enum sharing sharing, double one_way_ns);
// Chooses the pairs for budget_s seconds and puts them in the order in which they are measured.
void pairs_choose(struct matrix_plan *plan, const struct job *job, double budget_s);
// The JSON object of facts.sampling, in memory of the caller's; NULL: no memory.
char *pairs_facts(const struct matrix_plan *plan, const struct job *job);
void pairs_free(struct matrix_plan *plan);

#endif
