// SPDX-License-Identifier: Apache-2.0
// What a matrix says as a whole: by what the CPUs of a pair share, and where the values gather.
#ifndef MATRIX_REPORT_H
#define MATRIX_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "results.h"
#include "sharing.h"

// One row for each pair that was measured in full.
struct matrix_rows {
    double *samples;        // in ns, per_row for each row
    enum sharing *sharing;
    size_t count;
    uint64_t per_row;
};

bool matrix_rows_open(struct matrix_rows *rows, size_t most, uint64_t per_row);  // false: said why on stderr
void matrix_rows_close(struct matrix_rows *rows);
// Adds the metrics core_to_core_median and core_to_core_sharing_*, and the fact core_to_core.
void matrix_report(const struct matrix_rows *rows, struct results *results);

#endif
