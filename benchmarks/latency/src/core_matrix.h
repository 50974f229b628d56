// SPDX-License-Identifier: Apache-2.0
// The core-to-core matrix: ping_pong for every pair of CPUs that is planned.
#ifndef CORE_MATRIX_H
#define CORE_MATRIX_H

#include <stdbool.h>

#include "control.h"
#include "job.h"
#include "matrix_plan.h"
#include "results.h"

// Tries a few pairs of each sharing for a moment, to expect how long a pair takes.
void matrix_try(struct matrix_plan *plan, const struct job *job, const struct control *control);
bool matrix_run(struct matrix_plan *plan, const struct job *job, const struct control *control,
                struct results *results);  // false: a file could not be opened

#endif
