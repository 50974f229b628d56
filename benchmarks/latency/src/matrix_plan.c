// SPDX-License-Identifier: Apache-2.0
#include "matrix_plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "random.h"

// Creating, pinning and joining a thread.
static const double START_S = 0.0002;
// A pair may take so many times longer than was seen when one was tried.
static const double MARGIN = 1.25;
// One way, in ns; slower than on the machines that we know.
static const double ASSUMED_NS[SHARINGS] = {60, 120, 300, 800, 800};

static void shuffle(struct cpu_pair *pairs, size_t count, uint64_t *state) {
    for (size_t i = count; i > 1; i--) {
        size_t other = random_below(state, i);
        struct cpu_pair kept = pairs[i - 1];
        pairs[i - 1] = pairs[other];
        pairs[other] = kept;
    }
}

static void add_pairs(struct matrix_plan *plan, const struct place *places, const int *cpus, size_t count,
                      enum sharing sharing) {
    size_t first = plan->total;
    uint64_t state = RANDOM_SEED;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i + 1; j < count; j++) {
            if (sharing_of(&places[i], &places[j]) == sharing) {
                plan->pairs[plan->total++] = (struct cpu_pair){cpus[i], cpus[j], sharing};
            }
        }
    }
    plan->strata[sharing].total = plan->total - first;
    shuffle(plan->pairs + first, plan->total - first, &state);
}

bool pairs_list(struct matrix_plan *plan, const char *root, const int *cpus, size_t count) {
    struct place *places = calloc(count + 1, sizeof *places);
    *plan = (struct matrix_plan){.pairs = calloc(count * (count - 1) / 2 + 1, sizeof *plan->pairs)};
    if (places == NULL || plan->pairs == NULL) {
        fprintf(stderr, "latency: not enough memory for the pairs of %zu CPUs\n", count);
        free(places);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        place_read(&places[i], root, cpus[i]);
    }
    for (int sharing = 0; sharing < SHARINGS; sharing++) {
        add_pairs(plan, places, cpus, count, sharing);
    }
    free(places);
    return true;
}

void pairs_assume(struct matrix_plan *plan, const struct job *job) {
    for (int sharing = 0; sharing < SHARINGS; sharing++) {
        pairs_expect(plan, job, sharing, ASSUMED_NS[sharing]);
    }
}

void pairs_expect(struct matrix_plan *plan, const struct job *job, enum sharing sharing, double one_way_ns) {
    double round_trips = (double)(job->samples + 1) * (double)job->round_trips;
    double pair_s = round_trips * 2 * one_way_ns / 1e9 * MARGIN + START_S;
    bool over = one_way_ns < 0 || pair_s > job->pair_time_limit_s;
    plan->strata[sharing].one_way_ns = one_way_ns;
    plan->strata[sharing].pair_s = over ? job->pair_time_limit_s : pair_s;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

// What it costs, in pairs and in seconds, when no stratum gives more than cap pairs.
static size_t cost(const struct matrix_plan *plan, size_t cap, double *seconds) {
    size_t pairs = 0;
    *seconds = 0;
    for (int sharing = 0; sharing < SHARINGS; sharing++) {
        size_t part = least(plan->strata[sharing].total, cap);
        pairs += part;
        *seconds += (double)part * plan->strata[sharing].pair_s;
    }
    return pairs;
}

// The largest cap that fits; at least 1, for a plan without a pair tells nothing of the machine.
static size_t largest_cap(const struct matrix_plan *plan, size_t most_pairs, double budget_s) {
    size_t low = 1;
    size_t high = plan->total > 1 ? plan->total : 1;
    while (low < high) {
        double seconds;
        size_t middle = low + (high - low + 1) / 2;
        if (cost(plan, middle, &seconds) <= most_pairs && seconds <= budget_s) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

// The first pairs of each stratum, which are in random order, then mixed: a run that stops early has seen all parts.
static void take(struct matrix_plan *plan, size_t cap, size_t most_pairs) {
    uint64_t state = RANDOM_SEED;
    size_t from = 0;
    plan->planned = 0;
    plan->expected_s = 0;
    for (int sharing = 0; sharing < SHARINGS; sharing++) {
        struct stratum *stratum = &plan->strata[sharing];
        stratum->planned = least(least(stratum->total, cap), most_pairs - plan->planned);
        plan->expected_s += (double)stratum->planned * stratum->pair_s;
        for (size_t i = 0; i < stratum->planned; i++) {
            plan->pairs[plan->planned++] = plan->pairs[from + i];
        }
        from += stratum->total;
    }
    shuffle(plan->pairs, plan->planned, &state);
}

void pairs_choose(struct matrix_plan *plan, const struct job *job, double budget_s) {
    double all_s;
    double seconds;
    bool timed = job->sampling == SAMPLE_AUTO;
    size_t most = plan->total;
    if (job->sampling != SAMPLE_ALL && job->max_pairs != 0) {
        most = least(most, job->max_pairs);
    }
    bool all = cost(plan, plan->total, &all_s) <= most && (!timed || all_s <= budget_s);
    size_t cap = all ? plan->total : largest_cap(plan, most, timed ? budget_s : HUGE_VAL);
    plan->budget_s = budget_s;
    take(plan, cap, most);
    if (all) {
        snprintf(plan->reason, sizeof plan->reason, timed ? "all pairs fit into the time" : "all pairs were asked for");
    } else if (cost(plan, cap + 1, &seconds) > most) {
        snprintf(plan->reason, sizeof plan->reason, "at most %zu pairs are wanted: at most %zu with the same sharing",
                 most, cap);
    } else {
        snprintf(plan->reason, sizeof plan->reason,
                 "all pairs would take %.0f s, and %.0f s are there: at most %zu pairs with the same sharing", all_s,
                 budget_s, cap);
    }
}

static void put_stratum(FILE *file, const struct stratum *stratum, enum sharing sharing) {
    fprintf(file, "{\"sharing\": \"%s\", \"pairs_total\": %zu, \"pairs_planned\": %zu, \"pairs_measured\": %zu, ",
            sharing_name(sharing), stratum->total, stratum->planned, stratum->measured);
    if (stratum->one_way_ns < 0) {
        fprintf(file, "\"expected_ns\": null, ");
    } else {
        fprintf(file, "\"expected_ns\": %.6g, ", stratum->one_way_ns);
    }
    fprintf(file, "\"expected_pair_s\": %.6g}", stratum->pair_s);
}

char *pairs_facts(const struct matrix_plan *plan, const struct job *job) {
    static const char *const names[] = {[SAMPLE_AUTO] = "\"auto\"", [SAMPLE_ALL] = "\"all\""};
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    if (file == NULL) {
        return NULL;
    }
    fprintf(file, "{\"method\": \"%s\", \"requested\": ", plan->planned == plan->total ? "all" : "stratified");
    if (job->sampling == SAMPLE_NUMBER) {
        fprintf(file, "%llu", (unsigned long long)job->max_pairs);
    } else {
        fputs(names[job->sampling], file);
    }
    fprintf(file,
            ", \"reason\": \"%s\", \"seed\": %llu, \"pairs_total\": %zu, \"pairs_planned\": %zu, "
            "\"pairs_measured\": %zu, \"budget_s\": %.6g, \"expected_s\": %.6g, \"strata\": [",
            plan->reason, (unsigned long long)RANDOM_SEED, plan->total, plan->planned, plan->measured, plan->budget_s,
            plan->expected_s);
    const char *separator = "";
    for (int sharing = 0; sharing < SHARINGS; sharing++) {
        if (plan->strata[sharing].total > 0) {
            fputs(separator, file);
            put_stratum(file, &plan->strata[sharing], sharing);
            separator = ", ";
        }
    }
    fputs("]}", file);
    fclose(file);
    return text;
}

void pairs_free(struct matrix_plan *plan) {
    free(plan->pairs);
}
