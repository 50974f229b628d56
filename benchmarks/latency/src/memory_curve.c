// SPDX-License-Identifier: Apache-2.0
#include "memory_curve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chase.h"
#include "cpus.h"
#include "csv.h"

enum { BLOCK = 1 << 18 };

enum outcome { MEASURED, STOPPED, NOT_GIVEN, WRONG_END };

struct point {
    uint64_t bytes;
    const char *pages;               // "small" or "huge"
    const struct huge_pages *huge;   // NULL for small pages
    uint64_t anon_huge_bytes;
    uint64_t mapped_bytes;
};

struct run {
    const struct curve *curve;
    const struct job *job;
    const struct control *control;
    struct results *results;
    double *samples;
    int table;
    uint64_t measured;      // points
    uint64_t ends_checked;
    uint64_t largest_small_bytes;
    bool wrong_end;
    FILE *point_facts;
};

// The samples walk on from where the one before ended.
static enum outcome walk(struct run *run, const struct cycle *cycle) {
    struct line *line = (struct line *)(void *)cycle->base;
    uint64_t steps = run->job->chase_steps;
    if (steps % cycle->lines == 0) {
        steps++;  // whole rounds would end where they began, and a loop that does nothing would pass
    }
    // The first walk is not timed.
    for (uint64_t i = 0; i <= run->job->samples; i++) {
        uint64_t expected = (line->position + steps) % cycle->lines;
        uint64_t before = now_ns();
        for (uint64_t left = steps; left > 0;) {
            uint64_t part = left < BLOCK ? left : BLOCK;
            line = chase(line, part);
            left -= part;
            if (left > 0 && control_stopped(run->control)) {
                return STOPPED;
            }
        }
        uint64_t taken = now_ns() - before;
        if (line->position != expected) {
            return WRONG_END;
        }
        run->ends_checked++;
        if (i > 0) {
            run->samples[i - 1] = (double)taken / (double)steps;
        }
        if (control_stopped(run->control)) {
            return STOPPED;
        }
    }
    return MEASURED;
}

// Gives every page its memory first, so that the kernel can hand out whole huge pages.
static bool touch(const struct mapping *mapping, const struct control *control) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t at = 0; at < mapping->bytes; at += page) {
        mapping->base[at] = 1;
        if (at / page % 16384 == 0 && control_stopped(control)) {
            return false;
        }
    }
    return true;
}

static enum outcome fill_and_walk(struct run *run, struct point *point, const struct mapping *mapping,
                                  const uint32_t *order, char *reason, size_t size) {
    size_t stride = run->curve->caches.line_bytes;
    struct cycle cycle = {.base = mapping->base, .stride = stride, .lines = point->bytes / stride};
    if (!touch(mapping, run->control)) {
        return STOPPED;
    }
    point->anon_huge_bytes = memory_anon_huge_bytes(mapping);
    point->mapped_bytes = mapping->bytes;
    if (point->huge != NULL && point->anon_huge_bytes < mapping->bytes / 10 * 9) {
        snprintf(reason, size, "the kernel gave huge pages for %" PRIu64 " of %zu bytes", point->anon_huge_bytes,
                 mapping->bytes);
        return NOT_GIVEN;
    }
    if (!chase_link(&cycle, order, run->control)) {
        return STOPPED;
    }
    if (!chase_is_one_cycle(&cycle)) {
        return WRONG_END;
    }
    return walk(run, &cycle);
}

static enum outcome measure(struct run *run, struct point *point, const uint32_t *order, char *reason, size_t size,
                            bool *no_memory) {
    struct mapping mapping;
    if (!memory_map(&mapping, point->bytes, point->huge)) {
        snprintf(reason, size, "%" PRIu64 " bytes could not be mapped: %s", point->bytes, strerror(errno));
        *no_memory = true;
        return NOT_GIVEN;
    }
    enum outcome outcome = fill_and_walk(run, point, &mapping, order, reason, size);
    memory_unmap(&mapping);
    return outcome;
}

static void record(struct run *run, const struct point *point) {
    char labels[96];
    char label[160];
    uint64_t count = run->job->samples;
    struct spread spread = results_spread(run->samples, count);
    bool small = point->huge == NULL;
    snprintf(labels, sizeof labels, "\"bytes\": %" PRIu64 ", \"pages\": \"%s\"", point->bytes, point->pages);
    results_metric(run->results, "memory_latency", labels, run->samples, count);
    if (small && point->bytes == run->curve->bytes[0]) {
        results_metric(run->results, "memory_latency_l1", "", run->samples, count);
    }
    if (small && point->bytes == run->curve->bytes[run->curve->points - 1]) {
        results_metric(run->results, "memory_latency_dram", "", run->samples, count);
    }
    if (small && point->bytes > run->largest_small_bytes) {
        run->largest_small_bytes = point->bytes;
    }
    csv_row(run->table, "%" PRIu64 ",%s,%" PRIu64 ",%" PRIu64 ",%.6g,%.6g,%.6g", point->bytes, point->pages,
            point->anon_huge_bytes, count, spread.least, spread.median, spread.most);
    fprintf(run->point_facts,
            "%s{\"bytes\": %" PRIu64 ", \"pages\": \"%s\", \"mapped_bytes\": %" PRIu64
            ", \"anon_huge_bytes\": %" PRIu64 "}",
            run->measured > 0 ? ", " : "", point->bytes, point->pages, point->mapped_bytes, point->anon_huge_bytes);
    run->measured++;
    snprintf(label, sizeof label, "memory %" PRIu64 " bytes, %s pages: %.4g ns", point->bytes, point->pages,
             spread.median);
    results_progress(run->results, label);
}

static void skip(struct run *run, const struct point *point, const char *reason, bool planned) {
    char text[160];
    snprintf(text, sizeof text, "memory_latency %" PRIu64 " bytes, %s pages", point->bytes, point->pages);
    results_skip(run->results, text, reason, planned);
    snprintf(text, sizeof text, "memory %" PRIu64 " bytes, %s pages: skipped", point->bytes, point->pages);
    results_progress(run->results, text);
}

// False when the curve ends here.
static bool do_point(struct run *run, struct point *point, const uint32_t *order) {
    char reason[200] = "";
    bool no_memory = false;
    switch (measure(run, point, order, reason, sizeof reason, &no_memory)) {
    case MEASURED:
        record(run, point);
        return true;
    case NOT_GIVEN:
        // Whether the kernel gives huge pages is the machine's affair, as when it has none: not a gap in the plan.
        skip(run, point, reason, no_memory);
        return true;
    case WRONG_END:
        run->wrong_end = true;
        return false;
    default:
        return false;
    }
}

static bool enough_memory(const struct run *run, uint64_t bytes, char *reason, size_t size) {
    const struct huge_pages *huge = run->curve->huge.usable ? &run->curve->huge : NULL;
    uint64_t lines = bytes / run->curve->caches.line_bytes;
    uint64_t mapped = memory_mapped_bytes(bytes, huge);
    uint64_t page_tables = mapped / 256;
    uint64_t needed = mapped + lines * sizeof(uint32_t) + page_tables + (UINT64_C(16) << 20);
    uint64_t available = memory_available();
    if (available != 0 && needed > available) {
        snprintf(reason, size, "not enough free memory: %" PRIu64 " bytes are needed, %" PRIu64 " are available",
                 needed, available);
        return false;
    }
    if (lines > UINT32_MAX) {
        snprintf(reason, size, "%" PRIu64 " bytes have more cache lines than the order of the cycle can number", bytes);
        return false;
    }
    return true;
}

// Both page sizes walk the same order. False when the curve ends here.
static bool do_size(struct run *run, uint64_t bytes) {
    struct point small = {.bytes = bytes, .pages = "small"};
    struct point huge = {.bytes = bytes, .pages = "huge", .huge = &run->curve->huge};
    char reason[200];
    bool with_huge = run->curve->huge.usable;
    bool good = enough_memory(run, bytes, reason, sizeof reason);
    uint32_t *order = good ? chase_order(bytes / run->curve->caches.line_bytes, run->control) : NULL;
    if (order == NULL) {
        if (control_stopped(run->control)) {
            return false;
        }
        if (good) {
            snprintf(reason, sizeof reason, "no memory for the order of the cycle");
        }
        skip(run, &small, reason, true);
        if (with_huge) {
            skip(run, &huge, reason, true);
        }
        return true;
    }
    good = do_point(run, &small, order) && (!with_huge || do_point(run, &huge, order));
    free(order);
    return good;
}

static void report(struct run *run, uint64_t over) {
    char reason[120];
    char text[240];
    uint64_t wanted = run->curve->caches.llc_bytes * LLC_FACTOR;
    uint64_t planned = curve_measurements(run->curve);
    if (over < planned && !run->wrong_end) {
        control_reason(run->control, reason, sizeof reason);
        snprintf(text, sizeof text, "%" PRIu64 " of %" PRIu64 " points not measured: %s", planned - over, planned,
                 reason);
        results_skip(run->results, "memory_latency", text, true);
    }
    if (!run->curve->huge.usable) {
        results_skip(run->results, "memory_latency with huge pages", run->curve->huge.reason, false);
    }
    if (strcmp(run->curve->caches.source, "assumed") == 0 && !run->curve->caches.overridden) {
        results_skip(run->results, "cache_sizes",
                     "neither sysfs nor sysconf tells the cache sizes, so they were assumed: give the parameters "
                     "l1_bytes and llc_bytes",
                     true);
    }
    if (run->wrong_end) {
        snprintf(text, sizeof text, "a chase did not end on the expected line, or its lines are not one cycle");
    } else {
        snprintf(text, sizeof text, "%" PRIu64 " walks ended on the expected line", run->ends_checked);
    }
    results_check(run->results, "chase_ends_where_expected", !run->wrong_end, text);
    snprintf(text, sizeof text, "measured up to %" PRIu64 " bytes, %d times the last-level cache is %" PRIu64,
             run->largest_small_bytes, LLC_FACTOR, wanted);
    results_check_complete(run->results, "curve_reaches_four_times_llc", run->largest_small_bytes >= wanted, text);
}

bool curve_run(const struct curve *curve, const struct job *job, int cpu, const struct control *control,
               struct results *results) {
    struct run run = {.curve = curve, .job = job, .control = control, .results = results};
    char *facts_text = NULL;
    size_t facts_size;
    uint64_t before = results->done;
    run.table = csv_open(results->directory, "memory_latency.csv",
                         "bytes,pages,anon_huge_bytes,samples,min_ns,median_ns,max_ns");
    run.samples = malloc(job->samples * sizeof *run.samples);
    run.point_facts = open_memstream(&facts_text, &facts_size);
    bool good = run.table >= 0 && run.samples != NULL && run.point_facts != NULL;
    if (good) {
        int error = cpus_pin_self(cpu);
        results_check(results, "memory_thread_is_pinned", error == 0, error == 0 ? "pinned" : strerror(error));
        for (size_t i = 0; i < curve->points && !control_stopped(control); i++) {
            if (!do_size(&run, curve->bytes[i])) {
                break;
            }
        }
        report(&run, results->done - before);
    }
    if (run.point_facts != NULL) {
        fclose(run.point_facts);
        if (good) {
            results_fact(results, "memory_points", "[%s]", facts_text);
        }
    }
    free(facts_text);
    free(run.samples);
    if (run.table >= 0) {
        close(run.table);
    }
    return good;
}
