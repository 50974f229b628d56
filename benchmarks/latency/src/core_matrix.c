// SPDX-License-Identifier: Apache-2.0
#include "core_matrix.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "csv.h"
#include "matrix_report.h"
#include "ping_pong.h"

enum { TRIED_PAIRS = 4, TRIAL_SAMPLES = 5, TRIAL_ROUND_TRIPS = 1000 };

static const double TRIAL_LIMIT_S = 1;

// The mean, for a pair's time is the sum of its samples. Negative when the trial passed its limit, 0 when there was none.
static double try_pair(const struct cpu_pair *pair, const struct job *job, const struct control *control) {
    double samples[TRIAL_SAMPLES];
    double sum = 0;
    char reason[160];
    uint64_t done;
    struct pair_job trial = {
        .cpu_a = pair->cpu_a, .cpu_b = pair->cpu_b, .samples = TRIAL_SAMPLES,
        .round_trips = job->round_trips < TRIAL_ROUND_TRIPS ? job->round_trips : TRIAL_ROUND_TRIPS,
        .time_limit_s = job->pair_time_limit_s < TRIAL_LIMIT_S ? job->pair_time_limit_s : TRIAL_LIMIT_S};
    enum pair_outcome outcome = ping_pong(&trial, control, samples, &done, reason, sizeof reason);
    if (outcome == PAIR_TIMED_OUT) {
        return -1;
    }
    for (uint64_t i = 0; outcome == PAIR_MEASURED && i < done; i++) {
        sum += samples[i] / TRIAL_SAMPLES;
    }
    return sum;
}

void matrix_try(struct matrix_plan *plan, const struct job *job, const struct control *control) {
    size_t from = 0;
    pairs_assume(plan, job);
    for (int sharing = 0; sharing < SHARINGS; sharing++) {
        size_t total = plan->strata[sharing].total;
        double slowest = 0;
        for (size_t i = 0; i < total && i < TRIED_PAIRS && slowest >= 0 && !control_stopped(control); i++) {
            double one_way_ns = try_pair(&plan->pairs[from + i], job, control);
            slowest = one_way_ns < 0 || one_way_ns > slowest ? one_way_ns : slowest;
        }
        if (slowest != 0) {
            pairs_expect(plan, job, sharing, slowest);
        }
        from += total;
    }
}

struct run {
    const struct job *job;
    const struct control *control;
    struct results *results;
    struct matrix_plan *plan;
    struct matrix_rows rows;  // the pairs with all their samples
    size_t wrong;
    int table;
};

static void record(struct run *run, const struct cpu_pair *pair, const double *samples, uint64_t count) {
    char labels[96];
    struct spread spread = results_spread(samples, count);
    const char *sharing = sharing_name(pair->sharing);
    snprintf(labels, sizeof labels, "\"cpu_a\": %d, \"cpu_b\": %d, \"sharing\": \"%s\"", pair->cpu_a, pair->cpu_b,
             sharing);
    results_metric(run->results, "core_to_core_latency", labels, samples, count);
    csv_row(run->table, "%d,%d,%llu,%.6g,%.6g,%.6g,%s", pair->cpu_a, pair->cpu_b, (unsigned long long)count,
            spread.least, spread.median, spread.most, sharing);
}

// A pair that passed its limit keeps the samples it had, but is in no summary: it would have fewer than the others.
static void record_part(struct run *run, const struct cpu_pair *pair, const double *samples, uint64_t done,
                        const char *why) {
    char name[96];
    char reason[240];
    if (done > 1) {
        record(run, pair, samples, done);
    }
    snprintf(reason, sizeof reason, done > 0 ? "%s after %llu of %llu samples" : "%s", why, (unsigned long long)done,
             (unsigned long long)run->job->samples);
    snprintf(name, sizeof name, "core_to_core_latency cpu %d and cpu %d", pair->cpu_a, pair->cpu_b);
    results_skip(run->results, name, reason, true);
    snprintf(name, sizeof name, "cpu %d and cpu %d: skipped", pair->cpu_a, pair->cpu_b);
    results_progress(run->results, name);
}

// False when the whole job is over.
static bool do_pair(struct run *run, const struct cpu_pair *pair) {
    char text[160];
    uint64_t done;
    struct matrix_rows *rows = &run->rows;
    double *samples = rows->samples + rows->count * run->job->samples;
    struct pair_job job = {.cpu_a = pair->cpu_a, .cpu_b = pair->cpu_b, .samples = run->job->samples,
                           .round_trips = run->job->round_trips, .time_limit_s = run->job->pair_time_limit_s};
    enum pair_outcome outcome = ping_pong(&job, run->control, samples, &done, text, sizeof text);
    if (outcome == PAIR_STOPPED) {
        return false;
    }
    if (outcome != PAIR_MEASURED) {
        run->wrong += outcome == PAIR_WRONG_COUNT;
        record_part(run, pair, samples, outcome == PAIR_TIMED_OUT ? done : 0, text);
        return true;
    }
    record(run, pair, samples, done);
    snprintf(text, sizeof text, "cpu %d and cpu %d: %.4g ns", pair->cpu_a, pair->cpu_b,
             results_spread(samples, done).median);
    results_progress(run->results, text);
    run->plan->measured++;
    run->plan->strata[pair->sharing].measured++;
    rows->sharing[rows->count++] = pair->sharing;
    return true;
}

static void report(struct run *run, size_t over) {
    const struct matrix_plan *plan = run->plan;
    char reason[120];
    char text[320];
    if (over < plan->planned) {
        control_reason(run->control, reason, sizeof reason);
        snprintf(text, sizeof text, "%zu of %zu pairs not measured: %s", plan->planned - over, plan->planned, reason);
        results_skip(run->results, "core_to_core_latency", text, true);
    }
    if (plan->planned < plan->total) {
        snprintf(text, sizeof text, "%zu of %zu pairs left out by sampling: %s", plan->total - plan->planned,
                 plan->total, plan->reason);
        results_skip(run->results, "core_to_core_latency of all pairs", text, false);
    }
    matrix_report(&run->rows, run->results);
    snprintf(text, sizeof text, "%zu pairs ended with the expected counter, %zu did not", plan->measured, run->wrong);
    results_check(run->results, "ping_pong_counters", run->wrong == 0, text);
    results_fact(run->results, "pairs", "{\"possible\": %zu, \"planned\": %zu, \"measured\": %zu}", plan->total,
                 plan->planned, plan->measured);
    char *facts = pairs_facts(plan, run->job);
    if (facts != NULL) {
        results_fact(run->results, "sampling", "%s", facts);
    }
    free(facts);
}

bool matrix_run(struct matrix_plan *plan, const struct job *job, const struct control *control,
                struct results *results) {
    struct run run = {.job = job, .control = control, .results = results, .plan = plan};
    size_t over = 0;
    run.table = csv_open(results->directory, "core_to_core.csv",
                         "cpu_a,cpu_b,samples,min_ns,median_ns,max_ns,sharing");
    if (run.table < 0) {
        return false;
    }
    if (plan->planned == 0) {
        results_skip(results, "core_to_core_latency", "only one CPU may be used, and a pair needs two", false);
        close(run.table);
        return true;
    }
    bool good = matrix_rows_open(&run.rows, plan->planned, job->samples);
    if (good) {
        while (over < plan->planned && !control_stopped(control) && do_pair(&run, &plan->pairs[over])) {
            over++;
        }
        report(&run, over);
    }
    matrix_rows_close(&run.rows);
    close(run.table);
    return good;
}
