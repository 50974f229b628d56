// SPDX-License-Identifier: Apache-2.0
// latency: core-to-core and memory latency. Started as: run --config job.json --out DIR
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "chase.h"
#include "control.h"
#include "core_matrix.h"
#include "cpus.h"
#include "job.h"
#include "memory_curve.h"
#include "results.h"

enum { EXIT_UNUSABLE = 2, EXIT_MACHINE = 3 };

struct options {
    const char *config;
    const char *out;
};

static bool read_options(int count, char **arguments, struct options *options) {
    for (int i = 1; i + 1 < count; i += 2) {
        if (strcmp(arguments[i], "--config") == 0 && options->config == NULL) {
            options->config = arguments[i + 1];
        } else if (strcmp(arguments[i], "--out") == 0 && options->out == NULL) {
            options->out = arguments[i + 1];
        } else {
            break;
        }
    }
    if (count != 5 || options->config == NULL || options->out == NULL) {
        fprintf(stderr, "usage: run --config job.json --out DIR\n");
        return false;
    }
    struct stat status;
    if (strlen(options->out) > 3000 || stat(options->out, &status) != 0 || !S_ISDIR(status.st_mode)) {
        fprintf(stderr, "latency: --out %s is not a directory\n", options->out);
        return false;
    }
    return true;
}

// The CPUs to use, ascending: the job's, which must all be allowed, or all that are allowed.
static bool choose_cpus(const struct job *job, int **cpus, size_t *count) {
    *count = cpus_allowed(cpus);
    if (*count == 0) {
        fprintf(stderr, "latency: the allowed CPUs cannot be read\n");
        return false;
    }
    if (job->all_cpus) {
        return true;
    }
    for (size_t i = 0; i < job->cpu_count; i++) {
        size_t at = 0;
        while (at < *count && (*cpus)[at] != job->cpus[i]) {
            at++;
        }
        if (at == *count) {
            fprintf(stderr, "latency: CPU %d of the job is not among the CPUs this process may use\n", job->cpus[i]);
            return false;
        }
    }
    memcpy(*cpus, job->cpus, job->cpu_count * sizeof **cpus);
    *count = job->cpu_count;
    return true;
}

static void add_facts(struct results *results, const struct job *job, const struct curve *curve, const int *cpus,
                      size_t count) {
    const struct caches *caches = &curve->caches;
    char *list = NULL;
    size_t size;
    FILE *stream = open_memstream(&list, &size);
    if (stream != NULL) {
        for (size_t i = 0; i < count; i++) {
            fprintf(stream, "%s%d", i > 0 ? ", " : "", cpus[i]);
        }
        fclose(stream);
        results_fact(results, "cpus", "[%s]", list);
        free(list);
    }
    results_fact(results, "memory_cpu", "%d", cpus[0]);
    results_fact(results, "settings",
                 "{\"mode\": \"%s\", \"samples\": %llu, \"round_trips\": %llu, \"chase_steps\": %llu, "
                 "\"points_per_octave\": %llu, \"max_pairs\": %llu, \"pair_time_limit_s\": %g}",
                 job->mode, (unsigned long long)job->samples, (unsigned long long)job->round_trips,
                 (unsigned long long)job->chase_steps, (unsigned long long)job->points_per_octave,
                 (unsigned long long)job->max_pairs, job->pair_time_limit_s);
    results_fact(results, "caches",
                 "{\"source\": \"%s\", \"overridden\": %s, \"l1_bytes\": %llu, \"llc_bytes\": %llu, "
                 "\"line_bytes\": %llu}",
                 caches->source, caches->overridden ? "true" : "false", (unsigned long long)caches->l1_bytes,
                 (unsigned long long)caches->llc_bytes, (unsigned long long)caches->line_bytes);
    results_string_fact(results, "transparent_huge_pages", curve->huge.enabled);
    results_fact(results, "huge_page_bytes", "%llu", (unsigned long long)curve->huge.page_bytes);
    results_fact(results, "available_memory_bytes", "%llu", (unsigned long long)memory_available());
    results_string_fact(results, "compiler", __VERSION__);
}

// The curve comes first: its time is known, that of the pairs grows with the square of the CPUs.
static bool measure(struct results *results, const struct job *job, const struct control *control, const int *cpus,
                    size_t count) {
    char detail[200];
    struct curve *curve = malloc(sizeof *curve);
    struct matrix matrix;
    if (curve == NULL || !matrix_plan(&matrix, job, cpus, count)) {
        free(curve);
        return false;
    }
    curve_plan(curve, job, cpus[0]);
    results->total = curve_measurements(curve) + matrix.planned;
    add_facts(results, job, curve, cpus, count);
    bool present = chase_self_check(detail, sizeof detail);
    results_check(results, "measured_loop_present", present, detail);
    // A program that does not do what it says measures nothing worth keeping.
    bool good = !present || (curve_run(curve, job, cpus[0], control, results) &&
                             matrix_run(&matrix, job, control, results));
    matrix_free(&matrix);
    free(curve);
    return good;
}

int main(int count, char **arguments) {
    struct options options = {NULL, NULL};
    struct job job;
    struct control control;
    struct results results;
    int *cpus = NULL;
    size_t cpu_count;
    control_catch_sigterm();
    if (!read_options(count, arguments, &options)) {
        return EXIT_UNUSABLE;
    }
    if (!job_read(options.config, &job)) {
        job_free(&job);
        return EXIT_UNUSABLE;
    }
    control_start(&control, job.time_limit_s);
    int code = EXIT_MACHINE;
    if (choose_cpus(&job, &cpus, &cpu_count) && results_open(&results, options.out) &&
        measure(&results, &job, &control, cpus, cpu_count)) {
        code = results_close(&results, (double)(now_ns() - control.start_ns) / 1e9);
    }
    free(cpus);
    job_free(&job);
    return code;
}
