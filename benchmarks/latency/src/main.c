// SPDX-License-Identifier: Apache-2.0
// latency: core-to-core and memory latency. Started as: run --config job.json --out DIR
// With --plan in place of --out DIR it prints which pairs it would measure.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "chase.h"
#include "control.h"
#include "core_matrix.h"
#include "cpus.h"
#include "files.h"
#include "job.h"
#include "memory_curve.h"
#include "results.h"
#include "virtual.h"

enum { EXIT_UNUSABLE = 2, EXIT_MACHINE = 3 };

static const double PAIRS_SHARE = 0.8;

struct options {
    const char *config;
    const char *out;
    const char *root;
    bool plan;
};

static bool usage(void) {
    fprintf(stderr, "usage: run --config job.json --out DIR\n"
                    "       run --config job.json --plan [--root DIR]\n");
    return false;
}

static bool read_options(int count, char **arguments, struct options *options) {
    for (int i = 1; i < count; i++) {
        const char **value = NULL;
        if (strcmp(arguments[i], "--plan") == 0 && !options->plan) {
            options->plan = true;
            continue;
        }
        if (strcmp(arguments[i], "--config") == 0) {
            value = &options->config;
        } else if (strcmp(arguments[i], "--out") == 0) {
            value = &options->out;
        } else if (strcmp(arguments[i], "--root") == 0) {
            value = &options->root;
        }
        if (value == NULL || *value != NULL || ++i == count) {
            return usage();
        }
        *value = arguments[i];
    }
    bool measures = options->out != NULL && !options->plan && options->root == NULL;
    bool plans = options->out == NULL && options->plan;
    if (options->config == NULL || !(measures || plans)) {
        return usage();
    }
    struct stat status;
    const char *directory = measures ? options->out : options->root;
    size_t longest = measures ? 3000 : ROOT_BYTES - 1;
    if (directory != NULL &&
        (strlen(directory) > longest || stat(directory, &status) != 0 || !S_ISDIR(status.st_mode))) {
        fprintf(stderr, "latency: %s is not a directory\n", directory);
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
    struct virtual_machine machine;
    char text[160];
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
    results_fact(results, "cpu_node", "%d", curve->nodes.cpu_node);
    results_fact(results, "memory_nodes", "%zu", curve->nodes.count);
    results_string_fact(results, "compiler", __VERSION__);
    virtual_detect(&machine, "");
    results_fact(results, "virtual", "{\"machine\": \"%s\", \"evidence\": [%s]}", machine.kind, machine.evidence);
    bool bare = strcmp(machine.kind, "none") == 0 || strcmp(machine.kind, "unknown") == 0;
    snprintf(text, sizeof text,
             bare ? "no sign of a virtual machine (%s)"
                  : "this is a virtual machine (%s): its CPUs may share cores, and its memory has one more translation",
             machine.kind);
    results_check_machine(results, "vm", bare, text);
}

// What the pairs may take: most of what is left beside the curve.
static double budget_s(const struct curve *curve, const struct job *job, double left_s) {
    double budget = (left_s - curve_expected_s(curve, job)) * PAIRS_SHARE;
    return budget > 0 ? budget : 0;
}

// The curve comes first: its time is known, that of the pairs grows with the square of the CPUs.
static bool measure(struct results *results, const struct job *job, const struct control *control, const int *cpus,
                    size_t count) {
    char detail[200];
    struct curve *curve = malloc(sizeof *curve);
    struct matrix_plan plan;
    if (curve == NULL || !pairs_list(&plan, "", cpus, count)) {
        free(curve);
        return false;
    }
    curve_plan(curve, job, "", cpus[0]);
    add_facts(results, job, curve, cpus, count);
    bool present = chase_self_check(detail, sizeof detail);
    results_check(results, "measured_loop_present", present, detail);
    // A program that does not do what it says measures nothing worth keeping.
    bool good = true;
    if (present) {
        matrix_try(&plan, job, control);
        pairs_choose(&plan, job, budget_s(curve, job, control_left_s(control)));
        results->total = curve_measurements(curve) + plan.planned;
        good = curve_run(curve, job, cpus[0], control, results) && matrix_run(&plan, job, control, results);
    }
    pairs_free(&plan);
    free(curve);
    return good;
}

// Prints what would be measured, and measures nothing. The CPUs are those of the job, else those that are online.
static int print_plan(const struct job *job, const char *root) {
    char path[ROOT_BYTES + 64];
    struct control control;
    struct matrix_plan plan;
    struct virtual_machine machine;
    struct curve *curve = malloc(sizeof *curve);
    int *online = calloc(MAX_CPUS, sizeof *online);
    const int *cpus = job->cpus;
    size_t count = job->cpu_count;
    int code = EXIT_MACHINE;
    snprintf(path, sizeof path, "%s/sys/devices/system/cpu/online", root);
    if (job->all_cpus && online != NULL) {
        count = file_read_list(path, online, MAX_CPUS);
        cpus = online;
    }
    if (count == 0) {
        fprintf(stderr, "latency: %s names no CPU\n", path);
    } else if (curve != NULL && pairs_list(&plan, root, cpus, count)) {
        curve_plan(curve, job, root, cpus[0]);
        pairs_assume(&plan, job);
        control_start(&control, job->time_limit_s);
        pairs_choose(&plan, job, budget_s(curve, job, control_left_s(&control)));
        virtual_detect(&machine, root);
        char *sampling = pairs_facts(&plan, job);
        printf("{\"cpus\": %zu, \"time_limit_s\": %g, \"curve\": {\"measurements\": %llu, \"expected_s\": %.6g}, "
               "\"virtual\": {\"machine\": \"%s\", \"evidence\": [%s]}, \"sampling\": %s}\n",
               count, job->time_limit_s, (unsigned long long)curve_measurements(curve), curve_expected_s(curve, job),
               machine.kind, machine.evidence, sampling != NULL ? sampling : "null");
        free(sampling);
        pairs_free(&plan);
        code = fflush(stdout) == 0 ? 0 : EXIT_MACHINE;
    }
    free(online);
    free(curve);
    return code;
}

int main(int count, char **arguments) {
    struct options options = {NULL, NULL, NULL, false};
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
    int code = EXIT_MACHINE;
    if (options.plan) {
        code = print_plan(&job, options.root != NULL ? options.root : "");
        job_free(&job);
        return code;
    }
    control_start(&control, job.time_limit_s);
    if (choose_cpus(&job, &cpus, &cpu_count) && results_open(&results, options.out) &&
        measure(&results, &job, &control, cpus, cpu_count)) {
        code = results_close(&results, (double)(now_ns() - control.start_ns) / 1e9);
    }
    free(cpus);
    job_free(&job);
    return code;
}
