// SPDX-License-Identifier: Apache-2.0
// The core-to-core matrix: ping_pong for every pair of CPUs, or for a fixed random part of them.
#ifndef CORE_MATRIX_H
#define CORE_MATRIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control.h"
#include "job.h"
#include "results.h"

struct cpu_pair {
    int cpu_a;
    int cpu_b;
};

struct matrix {
    struct cpu_pair *pairs;
    size_t possible;
    size_t planned;
};

bool matrix_plan(struct matrix *matrix, const struct job *job, const int *cpus, size_t count);  // false: no memory
bool matrix_run(const struct matrix *matrix, const struct job *job, const struct control *control,
                struct results *results);  // false: a file could not be opened
void matrix_free(struct matrix *matrix);

#endif
