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

// A point counts only when so much of its memory is what it is said to be.
static const double ENOUGH = 0.9;

struct point {
    uint64_t bytes;
    const struct variant *variant;
    uint64_t mapped_bytes;
    struct mapping_pages pages;
    double node_share;  // -1: the kernel does not tell
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
    uint64_t largest_bytes;  // of the first variant
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

// With one node there is nothing to choose. Memory of the own node is what the first touch gives anyway.
static bool choose_node(const struct run *run, const struct variant *variant, const struct mapping *mapping,
                        char *reason, size_t size) {
    if (run->curve->nodes.count == 1) {
        return true;
    }
    int error = nodes_prefer(mapping->base, mapping->bytes, variant->node);
    if (error != 0 && variant->remote) {
        snprintf(reason, size, "memory of node %d cannot be asked for: %s", variant->node, strerror(error));
        return false;
    }
    return true;
}

// Whether the pages and the node are what they are said to be, by what the kernel tells of them.
static bool is_as_wanted(const struct run *run, struct point *point, const struct mapping *mapping, char *reason,
                         size_t size) {
    const struct variant *variant = point->variant;
    memory_pages_of(mapping, &point->pages);
    point->mapped_bytes = mapping->bytes;
    point->node_share = nodes_share(mapping->base, mapping->bytes, variant->node);
    if (variant->pages.kind == TRANSPARENT_PAGES &&
        (double)point->pages.anon_huge_bytes < ENOUGH * (double)mapping->bytes) {
        snprintf(reason, size, "the kernel gave huge pages for %" PRIu64 " of %zu bytes", point->pages.anon_huge_bytes,
                 mapping->bytes);
        return false;
    }
    if (variant->pages.kind == HUGETLB_PAGES && point->pages.kernel_page_bytes != variant->pages.bytes) {
        snprintf(reason, size, "the kernel says that the pages have %" PRIu64 " bytes, not %" PRIu64,
                 point->pages.kernel_page_bytes, variant->pages.bytes);
        return false;
    }
    if (run->curve->nodes.count == 1 || (point->node_share < 0 && !variant->remote)) {
        return true;
    }
    if (point->node_share < 0) {
        snprintf(reason, size, "the kernel does not tell whether the memory is on node %d", variant->node);
    } else if (point->node_share < ENOUGH) {
        snprintf(reason, size, "the kernel gave %.0f %% of the memory on node %d", 100 * point->node_share,
                 variant->node);
    }
    return point->node_share >= ENOUGH;
}

static enum outcome fill_and_walk(struct run *run, struct point *point, const struct mapping *mapping,
                                  const uint32_t *order, char *reason, size_t size) {
    size_t stride = run->curve->caches.line_bytes;
    const struct variant *variant = point->variant;
    struct cycle cycle = {.base = mapping->base, .stride = stride, .lines = point->bytes / stride};
    if (!choose_node(run, variant, mapping, reason, size)) {
        return NOT_GIVEN;
    }
    int error = variant->pages.kind == HUGETLB_PAGES ? memory_give_hugetlb(mapping, &variant->pages) : 0;
    if (error != 0) {
        snprintf(reason, size, "the kernel did not give the reserved pages: %s", strerror(error));
        return NOT_GIVEN;
    }
    if (!touch(mapping, run->control)) {
        return STOPPED;
    }
    if (!is_as_wanted(run, point, mapping, reason, size)) {
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
    const struct pages *pages = &point->variant->pages;
    uint64_t wanted = memory_mapped_bytes(point->bytes, pages);
    if (pages->kind == HUGETLB_PAGES) {
        int node = run->curve->nodes.count > 1 ? point->variant->node : -1;
        uint64_t reserved = memory_hugetlb_free(pages, node);
        if (reserved < wanted) {
            snprintf(reason, size, "%" PRIu64 " bytes of reserved pages are free, and %" PRIu64 " are needed",
                     reserved, wanted);
            return NOT_GIVEN;
        }
    }
    if (!memory_map(&mapping, point->bytes, pages)) {
        snprintf(reason, size, "%" PRIu64 " bytes could not be mapped: %s", wanted, strerror(errno));
        *no_memory = pages->kind != HUGETLB_PAGES;
        return NOT_GIVEN;
    }
    enum outcome outcome = fill_and_walk(run, point, &mapping, order, reason, size);
    memory_unmap(&mapping);
    return outcome;
}

static const char *place_of(const struct variant *variant) {
    return variant->remote ? "remote" : "local";
}

static void put_fact(struct run *run, const struct point *point) {
    const struct variant *variant = point->variant;
    fprintf(run->point_facts,
            "%s{\"bytes\": %" PRIu64 ", \"pages\": \"%s\", \"memory\": \"%s\", \"memory_node\": %d, \"mapped_bytes\": "
            "%" PRIu64 ", \"anon_huge_bytes\": %" PRIu64 ", \"kernel_page_bytes\": %" PRIu64 ", \"node_share\": ",
            run->measured > 0 ? ", " : "", point->bytes, variant->pages.name, place_of(variant), variant->node,
            point->mapped_bytes, point->pages.anon_huge_bytes, point->pages.kernel_page_bytes);
    if (point->node_share < 0) {
        fputs("null}", run->point_facts);
    } else {
        fprintf(run->point_facts, "%.3g}", point->node_share);
    }
}

static void record(struct run *run, const struct point *point) {
    char labels[200];
    char label[200];
    uint64_t count = run->job->samples;
    const struct variant *variant = point->variant;
    const char *pages = variant->pages.name;
    const char *memory = place_of(variant);
    struct spread spread = results_spread(run->samples, count);
    snprintf(labels, sizeof labels,
             "\"bytes\": %" PRIu64 ", \"pages\": \"%s\", \"memory\": \"%s\", \"cpu_node\": %d, \"memory_node\": %d",
             point->bytes, pages, memory, run->curve->nodes.cpu_node, variant->node);
    results_metric(run->results, "memory_latency", labels, run->samples, count);
    if (variant == run->curve->variants) {
        if (point->bytes == run->curve->bytes[0]) {
            results_metric(run->results, "memory_latency_l1", "", run->samples, count);
        }
        if (point->bytes == run->curve->bytes[run->curve->points - 1]) {
            results_metric(run->results, "memory_latency_dram", "", run->samples, count);
        }
        run->largest_bytes = point->bytes;
    }
    csv_row(run->table, "%" PRIu64 ",%s,%" PRIu64 ",%" PRIu64 ",%.6g,%.6g,%.6g,%s,%d,%" PRIu64, point->bytes, pages,
            point->pages.anon_huge_bytes, count, spread.least, spread.median, spread.most, memory, variant->node,
            point->pages.kernel_page_bytes);
    put_fact(run, point);
    run->measured++;
    snprintf(label, sizeof label, "memory %" PRIu64 " bytes, %s pages, %s: %.4g ns", point->bytes, pages, memory,
             spread.median);
    results_progress(run->results, label);
}

static void skip(struct run *run, const struct point *point, const char *reason, bool planned) {
    char what[120];
    char text[160];
    const struct variant *variant = point->variant;
    int length = snprintf(what, sizeof what, "%" PRIu64 " bytes, %s pages", point->bytes, variant->pages.name);
    if (variant->remote) {
        snprintf(what + length, sizeof what - (size_t)length, ", remote node %d", variant->node);
    }
    snprintf(text, sizeof text, "memory_latency %s", what);
    results_skip(run->results, text, reason, planned);
    snprintf(text, sizeof text, "memory %s: skipped", what);
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
    struct pages pages = memory_base_pages();
    if (run->curve->huge.usable) {
        pages = memory_transparent_pages(&run->curve->huge);
    }
    uint64_t lines = bytes / run->curve->caches.line_bytes;
    uint64_t mapped = memory_mapped_bytes(bytes, &pages);
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

// All kinds of memory are walked in the same order. False when the curve ends here.
static bool do_size(struct run *run, uint64_t bytes) {
    char reason[200];
    bool good = enough_memory(run, bytes, reason, sizeof reason);
    uint32_t *order = good ? chase_order(bytes / run->curve->caches.line_bytes, run->control) : NULL;
    if (order == NULL && control_stopped(run->control)) {
        return false;
    }
    if (good && order == NULL) {
        snprintf(reason, sizeof reason, "no memory for the order of the cycle");
    }
    good = true;
    for (size_t i = 0; good && i < run->curve->variant_count; i++) {
        struct point point = {.bytes = bytes, .variant = &run->curve->variants[i]};
        if (bytes < point.variant->from_bytes) {
            continue;
        }
        if (order == NULL) {
            skip(run, &point, reason, true);
        } else {
            good = do_point(run, &point, order);
        }
    }
    free(order);
    return good;
}

static void skip_kinds(struct run *run) {
    const struct curve *curve = run->curve;
    char name[80];
    char reason[200];
    if (!curve->huge.usable) {
        results_skip(run->results, "memory_latency with huge pages", curve->huge.reason, false);
    }
    for (size_t i = 0; i < curve->hugetlb_count; i++) {
        const struct pages *pages = &curve->hugetlb[i];
        bool planned = false;
        for (size_t j = 0; j < curve->variant_count; j++) {
            planned |= strcmp(curve->variants[j].pages.name, pages->name) == 0;
        }
        if (!planned) {
            snprintf(name, sizeof name, "memory_latency with %s pages", pages->name);
            snprintf(reason, sizeof reason,
                     "no free page of %" PRIu64 " bytes is reserved on this machine "
                     "(/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages)",
                     pages->bytes, pages->bytes >> 10);
            results_skip(run->results, name, reason, false);
        }
    }
    if (curve->nodes.count == 1) {
        results_skip(run->results, "memory_latency of remote memory",
                     "all memory of this machine is on one NUMA node", false);
    }
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
    skip_kinds(run);
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
             run->largest_bytes, LLC_FACTOR, wanted);
    results_check_complete(run->results, "curve_reaches_four_times_llc", run->largest_bytes >= wanted, text);
}

bool curve_run(const struct curve *curve, const struct job *job, int cpu, const struct control *control,
               struct results *results) {
    struct run run = {.curve = curve, .job = job, .control = control, .results = results};
    char *facts_text = NULL;
    size_t facts_size;
    uint64_t before = results->done;
    run.table = csv_open(results->directory, "memory_latency.csv",
                         "bytes,pages,anon_huge_bytes,samples,min_ns,median_ns,max_ns,memory,memory_node,"
                         "kernel_page_bytes");
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
