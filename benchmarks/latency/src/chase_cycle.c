// SPDX-License-Identifier: Apache-2.0
// Kept apart from chase.c, so that the compiler knows nothing of the cycle when it compiles the measured loop.
#include <stdio.h>
#include <stdlib.h>

#include "chase.h"
#include "random.h"

enum { STOP_EVERY = 1 << 18 };
// The self-check's steps are no whole rounds: a loop that does nothing ends on the wrong line.
enum { CHECK_LINES = 512, CHECK_STEPS = 20 * CHECK_LINES + 137, CHECK_FACTOR = 8 };
enum { LEAST_TRIES = 20, MOST_TRIES = 400 };

// No dependent load of any machine is done in less.
static const double LEAST_NS_PER_STEP = 0.1;

static struct line *line_at(const struct cycle *cycle, uint64_t index) {
    return (struct line *)(void *)(cycle->base + index * cycle->stride);
}

uint32_t *chase_order(uint64_t lines, const struct control *control) {
    uint64_t state = RANDOM_SEED;
    uint32_t *order = malloc(lines * sizeof *order);
    if (order == NULL) {
        return NULL;
    }
    for (uint64_t i = 0; i < lines; i++) {
        order[i] = (uint32_t)i;
    }
    for (uint64_t i = lines - 1; i > 0; i--) {
        uint64_t other = random_below(&state, i + 1);
        uint32_t kept = order[i];
        order[i] = order[other];
        order[other] = kept;
        if (i % STOP_EVERY == 0 && control_stopped(control)) {
            free(order);
            return NULL;
        }
    }
    return order;
}

bool chase_link(const struct cycle *cycle, const uint32_t *order, const struct control *control) {
    for (uint64_t i = 0; i < cycle->lines; i++) {
        struct line *line = line_at(cycle, order[i]);
        line->next = line_at(cycle, order[i + 1 < cycle->lines ? i + 1 : 0]);
        line->position = i;
        if (i % STOP_EVERY == 0 && control_stopped(control)) {
            return false;
        }
    }
    return true;
}

bool chase_is_one_cycle(const struct cycle *cycle) {
    for (uint64_t i = 0; i < cycle->lines; i++) {
        const struct line *line = line_at(cycle, i);
        uint64_t expected = line->position + 1 < cycle->lines ? line->position + 1 : 0;
        if (line->position >= cycle->lines || line->next->position != expected) {
            return false;
        }
    }
    return true;
}

static bool timed_walk(struct line *start, uint64_t steps, uint64_t *least_ns) {
    uint64_t before = now_ns();
    const struct line *end = chase(start, steps);
    uint64_t taken = now_ns() - before;
    *least_ns = taken < *least_ns ? taken : *least_ns;
    return end->position == (start->position + steps) % CHECK_LINES;
}

// The least of many interleaved tries is used: a busy machine can make a try slower, never faster.
static bool walk_scales(struct line *start, char *detail, size_t size) {
    const uint64_t steps = CHECK_STEPS;
    const uint64_t more_steps = steps * CHECK_FACTOR;
    uint64_t least = UINT64_MAX;
    uint64_t least_more = UINT64_MAX;
    for (int i = 0; i < MOST_TRIES; i++) {
        if (!timed_walk(start, steps, &least) || !timed_walk(start, more_steps, &least_more)) {
            snprintf(detail, size, "the chase did not end on the expected line of its cycle");
            return false;
        }
        bool scales = least_more >= CHECK_FACTOR / 2 * least;
        if (i >= LEAST_TRIES && scales && (double)least >= LEAST_NS_PER_STEP * (double)steps) {
            snprintf(detail, size,
                     "%llu steps took %llu ns and %llu steps took %llu ns, both ended on the expected line",
                     (unsigned long long)steps, (unsigned long long)least, (unsigned long long)more_steps,
                     (unsigned long long)least_more);
            return true;
        }
    }
    snprintf(detail, size, "the time does not grow with the steps: %llu steps took %llu ns, %llu steps took %llu ns",
             (unsigned long long)steps, (unsigned long long)least, (unsigned long long)more_steps,
             (unsigned long long)least_more);
    return false;
}

bool chase_self_check(char *detail, size_t size) {
    static struct line lines[CHECK_LINES];
    struct control endless = {.deadline_ns = UINT64_MAX};
    struct cycle cycle = {.base = (unsigned char *)lines, .stride = sizeof *lines, .lines = CHECK_LINES};
    uint32_t *order = chase_order(CHECK_LINES, &endless);
    bool good = order != NULL && chase_link(&cycle, order, &endless) && chase_is_one_cycle(&cycle);
    free(order);
    if (!good) {
        snprintf(detail, size, "the small cycle could not be built");
        return false;
    }
    return walk_scales(lines, detail, size);
}
