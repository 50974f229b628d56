// SPDX-License-Identifier: Apache-2.0
#include "core_matrix.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "csv.h"
#include "ping_pong.h"
#include "random.h"

bool matrix_plan(struct matrix *matrix, const struct job *job, const int *cpus, size_t count) {
    uint64_t state = RANDOM_SEED;
    size_t made = 0;
    matrix->possible = count * (count - 1) / 2;
    matrix->pairs = calloc(matrix->possible + 1, sizeof *matrix->pairs);
    if (matrix->pairs == NULL) {
        fprintf(stderr, "latency: not enough memory\n");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i + 1; j < count; j++) {
            matrix->pairs[made++] = (struct cpu_pair){cpus[i], cpus[j]};
        }
    }
    // In random order, a run that stops early has seen all parts of the machine and not just its first CPU.
    for (size_t i = made; i > 1; i--) {
        size_t other = random_below(&state, i);
        struct cpu_pair kept = matrix->pairs[i - 1];
        matrix->pairs[i - 1] = matrix->pairs[other];
        matrix->pairs[other] = kept;
    }
    matrix->planned = job->max_pairs != 0 && job->max_pairs < made ? job->max_pairs : made;
    return true;
}

struct run {
    const struct job *job;
    const struct control *control;
    struct results *results;
    double *samples;  // those of the measured pairs, one pair behind the other
    size_t measured;
    size_t wrong;
    int table;
};

static void record(struct run *run, const struct cpu_pair *pair, const double *samples) {
    char labels[64];
    char label[96];
    struct spread spread = results_spread(samples, run->job->samples);
    snprintf(labels, sizeof labels, "\"cpu_a\": %d, \"cpu_b\": %d", pair->cpu_a, pair->cpu_b);
    results_metric(run->results, "core_to_core_latency", labels, samples, run->job->samples);
    csv_row(run->table, "%d,%d,%llu,%.6g,%.6g,%.6g", pair->cpu_a, pair->cpu_b, (unsigned long long)run->job->samples,
            spread.least, spread.median, spread.most);
    snprintf(label, sizeof label, "cpu %d and cpu %d: %.4g ns", pair->cpu_a, pair->cpu_b, spread.median);
    run->measured++;
    results_progress(run->results, label);
}

// False when the whole job is over.
static bool do_pair(struct run *run, const struct cpu_pair *pair) {
    char reason[160];
    char name[96];
    double *samples = run->samples + run->measured * run->job->samples;
    struct pair_plan plan = {.cpu_a = pair->cpu_a, .cpu_b = pair->cpu_b, .samples = run->job->samples,
                             .round_trips = run->job->round_trips, .time_limit_s = run->job->pair_time_limit_s};
    enum pair_outcome outcome = ping_pong(&plan, run->control, samples, reason, sizeof reason);
    if (outcome == PAIR_MEASURED) {
        record(run, pair, samples);
        return true;
    }
    if (outcome == PAIR_STOPPED) {
        return false;
    }
    run->wrong += outcome == PAIR_WRONG_COUNT;
    snprintf(name, sizeof name, "core_to_core_latency cpu %d and cpu %d", pair->cpu_a, pair->cpu_b);
    results_skip(run->results, name, reason, true);
    snprintf(name, sizeof name, "cpu %d and cpu %d: skipped", pair->cpu_a, pair->cpu_b);
    results_progress(run->results, name);
    return true;
}

// Sample i is the median over the pairs of their sample i.
static void add_median(const struct run *run) {
    double *medians = malloc(run->job->samples * sizeof *medians);
    double *column = malloc(run->measured * sizeof *column);
    if (medians != NULL && column != NULL) {
        for (uint64_t i = 0; i < run->job->samples; i++) {
            for (size_t pair = 0; pair < run->measured; pair++) {
                column[pair] = run->samples[pair * run->job->samples + i];
            }
            medians[i] = results_spread(column, run->measured).median;
        }
        results_metric(run->results, "core_to_core_median", "", medians, run->job->samples);
    }
    free(medians);
    free(column);
}

static void report(const struct run *run, const struct matrix *matrix, size_t over) {
    char reason[120];
    char text[240];
    if (over < matrix->planned) {
        control_reason(run->control, reason, sizeof reason);
        snprintf(text, sizeof text, "%zu of %zu pairs not measured: %s", matrix->planned - over, matrix->planned,
                 reason);
        results_skip(run->results, "core_to_core_latency", text, true);
    }
    if (run->measured > 0) {
        add_median(run);
    }
    snprintf(text, sizeof text, "%zu pairs ended with the expected counter, %zu did not", run->measured, run->wrong);
    results_check(run->results, "ping_pong_counters", run->wrong == 0, text);
    results_fact(run->results, "pairs", "{\"possible\": %zu, \"planned\": %zu, \"measured\": %zu}", matrix->possible,
                 matrix->planned, run->measured);
}

bool matrix_run(const struct matrix *matrix, const struct job *job, const struct control *control,
                struct results *results) {
    struct run run = {.job = job, .control = control, .results = results};
    size_t over = 0;
    run.table = csv_open(results->directory, "core_to_core.csv", "cpu_a,cpu_b,samples,min_ns,median_ns,max_ns");
    if (run.table < 0) {
        return false;
    }
    if (matrix->planned == 0) {
        results_skip(results, "core_to_core_latency", "only one CPU may be used, and a pair needs two", false);
        close(run.table);
        return true;
    }
    run.samples = malloc(matrix->planned * job->samples * sizeof *run.samples);
    if (run.samples == NULL) {
        fprintf(stderr, "latency: not enough memory for the samples of %zu pairs\n", matrix->planned);
        close(run.table);
        return false;
    }
    while (over < matrix->planned && !control_stopped(control) && do_pair(&run, &matrix->pairs[over])) {
        over++;
    }
    report(&run, matrix, over);
    free(run.samples);
    close(run.table);
    return true;
}

void matrix_free(struct matrix *matrix) {
    free(matrix->pairs);
}
