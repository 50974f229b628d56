// SPDX-License-Identifier: Apache-2.0
#include "modes.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// 700 bins of 5 % reach from 1 ns to more than a week.
enum { BINS = 700, PAD = 2, LEAST_SHARE = 2000 };

struct hill {
    size_t first;   // values, as in struct mode
    size_t end;
    double peak;
    double valley;  // the lowest place behind it
};

struct hills {
    struct hill list[BINS];
    size_t count;
};

static size_t bin_of(const double *values, size_t index) {
    double bin = log(values[index] / values[0]) / log(1.05);
    return bin < BINS - 1 ? (size_t)bin : BINS - 1;
}

static void smooth(const double *values, size_t count, double heights[BINS]) {
    static const double weights[] = {1, 2, 3, 2, 1};
    double counts[BINS + 2 * PAD] = {0};
    for (size_t i = 0; i < count; i++) {
        counts[bin_of(values, i) + PAD]++;
    }
    for (size_t bin = 0; bin < BINS; bin++) {
        heights[bin] = 0;
        for (size_t i = 0; i < 2 * PAD + 1; i++) {
            heights[bin] += weights[i] * counts[bin + i];
        }
    }
}

// The middle of the lowest stretch behind bin, before it goes up again; BINS when it does not.
static size_t valley_behind(const double *heights, size_t bin) {
    while (bin + 1 < BINS && heights[bin + 1] >= heights[bin]) {
        bin++;
    }
    size_t lowest = bin;
    for (; bin + 1 < BINS && heights[bin + 1] <= heights[bin]; bin++) {
        if (heights[bin + 1] < heights[bin]) {
            lowest = bin + 1;
        }
    }
    return bin + 1 < BINS ? (lowest + bin) / 2 : BINS;
}

static void find_hills(const double *values, size_t count, const double *heights, struct hills *hills) {
    size_t first = 0;
    size_t bin = 0;
    hills->count = 0;
    while (first < count) {
        size_t valley = valley_behind(heights, bin);
        struct hill hill = {.first = first, .end = first, .valley = valley < BINS ? heights[valley] : 0};
        while (hill.end < count && bin_of(values, hill.end) <= valley) {
            hill.peak = fmax(hill.peak, heights[bin_of(values, hill.end)]);
            hill.end++;
        }
        if (hill.end > first) {
            hills->list[hills->count++] = hill;
        }
        first = hill.end;
        bin = valley + 1;
    }
}

// Joins a hill and the one behind it.
static void join(struct hills *hills, size_t left) {
    struct hill *hill = &hills->list[left];
    hill->end = hill[1].end;
    hill->peak = fmax(hill->peak, hill[1].peak);
    hill->valley = hill[1].valley;
    hills->count--;
    memmove(hill + 1, hill + 2, (hills->count - left - 1) * sizeof *hill);
}

// Joins the two hills with the flattest valley between them; false when every valley is deep.
static bool join_flattest(struct hills *hills) {
    double flattest = 0.5;
    size_t at = SIZE_MAX;
    for (size_t i = 0; i + 1 < hills->count; i++) {
        double depth = hills->list[i].valley / fmin(hills->list[i].peak, hills->list[i + 1].peak);
        if (depth > flattest) {
            flattest = depth;
            at = i;
        }
    }
    if (at == SIZE_MAX) {
        return false;
    }
    join(hills, at);
    return true;
}

// Joins the smallest hill, when it is too small or there are too many, to the nearer one beside it.
static bool join_smallest(struct hills *hills, const double *values, size_t count) {
    size_t least = count / LEAST_SHARE > 2 ? count / LEAST_SHARE : 2;
    size_t at = 0;
    for (size_t i = 1; i < hills->count; i++) {
        if (hills->list[i].end - hills->list[i].first < hills->list[at].end - hills->list[at].first) {
            at = i;
        }
    }
    const struct hill *hill = &hills->list[at];
    if (hills->count == 1 || (hill->end - hill->first >= least && hills->count <= MAX_MODES)) {
        return false;
    }
    bool left = at > 0 && (at + 1 == hills->count || values[hill->first] / values[hill->first - 1] <
                                                         values[hill->end] / values[hill->end - 1]);
    join(hills, left ? at - 1 : at);
    return true;
}

size_t modes_find(const double *values, size_t count, struct mode modes[MAX_MODES]) {
    double heights[BINS];
    struct hills hills;
    if (count < LEAST_VALUES_FOR_MODES) {
        return 0;
    }
    smooth(values, count, heights);
    find_hills(values, count, heights, &hills);
    while (join_flattest(&hills)) {
    }
    while (join_smallest(&hills, values, count)) {
    }
    for (size_t i = 0; i < hills.count; i++) {
        modes[i] = (struct mode){hills.list[i].first, hills.list[i].end};
    }
    return hills.count;
}
