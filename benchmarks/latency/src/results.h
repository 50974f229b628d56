// SPDX-License-Identifier: Apache-2.0
// What the program leaves below its output directory.
#ifndef RESULTS_H
#define RESULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct results {
    const char *directory;
    char started_at[64];
    int progress;           // descriptor of progress.ndjson
    uint64_t done;
    uint64_t total;
    FILE *metrics;          // the elements of each array of result.json, already written as JSON
    FILE *checks;
    FILE *skipped;
    FILE *facts;
    char *metrics_text;
    char *checks_text;
    char *skipped_text;
    char *facts_text;
    size_t text_size[4];
    uint64_t values;        // sound values
    uint64_t bad_values;
    bool failed;
    bool incomplete;
};

struct spread {
    double least;
    double median;
    double most;
};

bool results_open(struct results *results, const char *directory);  // false: said why on stderr
// Adds a metric in ns, lower is better; labels are the inside of a JSON object. Values that are not
// finite and above 0 are never stored: they fail the run.
void results_metric(struct results *results, const char *name, const char *labels, const double *samples,
                    uint64_t count);
void results_check(struct results *results, const char *name, bool ok, const char *detail);
// A check that what was planned is complete: not ok makes the run partial, not failed.
void results_check_complete(struct results *results, const char *name, bool ok, const char *detail);
// A check that only says what kind of machine this is: it changes no status.
void results_check_machine(struct results *results, const char *name, bool ok, const char *detail);
void results_skip(struct results *results, const char *name, const char *reason, bool planned);
__attribute__((format(printf, 3, 4))) void results_fact(struct results *results, const char *name,
                                                        const char *json_format, ...);
void results_string_fact(struct results *results, const char *name, const char *value);
// One more planned item is over; label says which and what came of it.
void results_progress(struct results *results, const char *label);
// Writes result.json; the exit code of the program.
int results_close(struct results *results, double duration_s);
void results_sort(double *values, uint64_t count);  // ascending
// The value below which that part (0 to 1) of count ascending values is, between two of them in a straight line.
double results_quantile(const double *sorted, uint64_t count, double part);
struct spread results_spread(const double *samples, uint64_t count);

#endif
