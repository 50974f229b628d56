// SPDX-License-Identifier: Apache-2.0
// Where the values of a distribution gather: the latencies of a machine's pairs seldom have one middle.
#ifndef MODES_H
#define MODES_H

#include <stddef.h>

enum { MAX_MODES = 16, LEAST_VALUES_FOR_MODES = 8 };

// The values from first up to, and without, end of the ascending values.
struct mode {
    size_t first;
    size_t end;
};

// Finds the modes of count positive values in ascending order; fewer than LEAST_VALUES_FOR_MODES have none.
// The values are counted in bins that are 5 % wide, and the counts are smoothed over five bins. Between two modes is a
// valley that is at most half as high as the lower one of its two peaks. What would be a mode of one value only, or of
// less than one value in 2000, belongs to the mode beside it: of 384 CPUs one pair in 383 are threads of one core.
size_t modes_find(const double *values, size_t count, struct mode modes[MAX_MODES]);

#endif
