// SPDX-License-Identifier: Apache-2.0
#include "matrix_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modes.h"

static const double FEW = 0.05;
static const double MOST = 0.95;

bool matrix_rows_open(struct matrix_rows *rows, size_t most, uint64_t per_row) {
    *rows = (struct matrix_rows){.samples = malloc(most * per_row * sizeof *rows->samples),
                                 .sharing = malloc(most * sizeof *rows->sharing),
                                 .per_row = per_row};
    if (rows->samples == NULL || rows->sharing == NULL) {
        fprintf(stderr, "latency: not enough memory for the samples of %zu pairs\n", most);
        return false;
    }
    return true;
}

void matrix_rows_close(struct matrix_rows *rows) {
    free(rows->samples);
    free(rows->sharing);
}

// Sample i of the rows with that sharing (SHARINGS: of all), ascending; how many there are.
static size_t column_of(const struct matrix_rows *rows, enum sharing sharing, uint64_t i, double *column) {
    size_t count = 0;
    for (size_t row = 0; row < rows->count; row++) {
        if (sharing == SHARINGS || rows->sharing[row] == sharing) {
            column[count++] = rows->samples[row * rows->per_row + i];
        }
    }
    results_sort(column, count);
    return count;
}

// Sample i of a metric is the part of the pairs' samples i.
static void add_metric(const struct matrix_rows *rows, enum sharing sharing, double part, const char *name,
                       const char *labels, struct results *results) {
    double *values = malloc(rows->per_row * sizeof *values);
    double *column = malloc(rows->count * sizeof *column);
    if (values != NULL && column != NULL) {
        for (uint64_t i = 0; i < rows->per_row; i++) {
            size_t count = column_of(rows, sharing, i, column);
            values[i] = results_quantile(column, count, part);
        }
        results_metric(results, name, labels, values, rows->per_row);
    }
    free(values);
    free(column);
}

struct pair_median {
    double ns;
    enum sharing sharing;
};

static int compare_medians(const void *left, const void *right) {
    double a = ((const struct pair_median *)left)->ns;
    double b = ((const struct pair_median *)right)->ns;
    return (a > b) - (a < b);
}

static void put_quantiles(FILE *file, const double *sorted, size_t count) {
    fprintf(file, "\"pairs\": %zu, \"p5_ns\": %.6g, \"median_ns\": %.6g, \"p95_ns\": %.6g", count,
            results_quantile(sorted, count, FEW), results_quantile(sorted, count, 0.5),
            results_quantile(sorted, count, MOST));
}

static void put_modes(FILE *file, const struct pair_median *medians, const double *values, size_t count) {
    struct mode modes[MAX_MODES];
    size_t found = modes_find(values, count, modes);
    for (size_t i = 0; i < found; i++) {
        size_t first = modes[i].first;
        size_t by_sharing[SHARINGS] = {0};
        const char *separator = "";
        fprintf(file, "%s{\"low_ns\": %.6g, \"high_ns\": %.6g, ", i > 0 ? ", " : "", values[first],
                values[modes[i].end - 1]);
        put_quantiles(file, values + first, modes[i].end - first);
        fputs(", \"by_sharing\": {", file);
        for (size_t at = first; at < modes[i].end; at++) {
            by_sharing[medians[at].sharing]++;
        }
        for (int sharing = 0; sharing < SHARINGS; sharing++) {
            if (by_sharing[sharing] > 0) {
                fprintf(file, "%s\"%s\": %zu", separator, sharing_name(sharing), by_sharing[sharing]);
                separator = ", ";
            }
        }
        fputs("}}", file);
    }
}

// values is room for as many as there are medians.
static void put_facts(FILE *file, const struct pair_median *medians, size_t count, double *values) {
    const char *separator = "";
    for (size_t i = 0; i < count; i++) {
        values[i] = medians[i].ns;
    }
    fputc('{', file);
    put_quantiles(file, values, count);
    fputs(", \"modes\": [", file);
    put_modes(file, medians, values, count);
    fputs("], \"by_sharing\": [", file);
    for (int sharing = 0; sharing < SHARINGS; sharing++) {
        size_t part = 0;
        for (size_t i = 0; i < count; i++) {
            if (medians[i].sharing == (enum sharing)sharing) {
                values[part++] = medians[i].ns;
            }
        }
        if (part > 0) {
            fprintf(file, "%s{\"sharing\": \"%s\", ", separator, sharing_name(sharing));
            put_quantiles(file, values, part);
            fputc('}', file);
            separator = ", ";
        }
    }
    fputs("]}", file);
}

static void add_facts(const struct matrix_rows *rows, struct results *results) {
    struct pair_median *medians = malloc(rows->count * sizeof *medians);
    double *values = malloc(rows->count * sizeof *values);
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    if (medians != NULL && values != NULL && file != NULL) {
        for (size_t row = 0; row < rows->count; row++) {
            const double *samples = rows->samples + row * rows->per_row;
            medians[row] = (struct pair_median){results_spread(samples, rows->per_row).median, rows->sharing[row]};
        }
        qsort(medians, rows->count, sizeof *medians, compare_medians);
        put_facts(file, medians, rows->count, values);
        fclose(file);
        file = NULL;
        results_fact(results, "core_to_core", "%s", text);
    }
    if (file != NULL) {
        fclose(file);
    }
    free(text);
    free(values);
    free(medians);
}

void matrix_report(const struct matrix_rows *rows, struct results *results) {
    bool there[SHARINGS] = {false};
    char labels[64];
    if (rows->count == 0) {
        return;
    }
    add_metric(rows, SHARINGS, 0.5, "core_to_core_median", "", results);
    for (size_t row = 0; row < rows->count; row++) {
        there[rows->sharing[row]] = true;
    }
    for (int sharing = 0; sharing < SHARINGS; sharing++) {
        if (there[sharing]) {
            snprintf(labels, sizeof labels, "\"sharing\": \"%s\"", sharing_name(sharing));
            add_metric(rows, sharing, FEW, "core_to_core_sharing_p5", labels, results);
            add_metric(rows, sharing, 0.5, "core_to_core_sharing_median", labels, results);
            add_metric(rows, sharing, MOST, "core_to_core_sharing_p95", labels, results);
        }
    }
    add_facts(rows, results);
}
