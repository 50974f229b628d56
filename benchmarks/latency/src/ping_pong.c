// SPDX-License-Identifier: Apache-2.0
#include "ping_pong.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "cpus.h"

// 256 bytes apart: no line, and no pair of lines that is fetched together, holds two of the fields.
enum { APART = 256, CHECK_EVERY = 4096 };

struct table {
    _Alignas(APART) atomic_uint_fast64_t ping;  // written by A only
    _Alignas(APART) atomic_uint_fast64_t pong;  // written by B only
    _Alignas(APART) atomic_bool abandoned;      // set by A when it gives up; B reads it seldom
    uint64_t total;
    uint64_t answered;  // by B, read after the join
};

struct clock {
    const struct control *control;
    uint64_t deadline_ns;
};

static bool out_of_time(const struct clock *clock) {
    return now_ns() >= clock->deadline_ns || control_stopped(clock->control);
}

static bool answer_one(struct table *table, uint64_t turn) {
    for (uint32_t spins = 1; atomic_load_explicit(&table->ping, memory_order_acquire) != turn; spins++) {
        if (spins % CHECK_EVERY == 0 && atomic_load_explicit(&table->abandoned, memory_order_relaxed)) {
            return false;
        }
    }
    atomic_store_explicit(&table->pong, turn, memory_order_release);
    return true;
}

static void *answer(void *argument) {
    struct table *table = argument;
    uint64_t turn = 1;
    while (turn <= table->total && answer_one(table, turn)) {
        turn++;
    }
    table->answered = turn - 1;
    return NULL;
}

// Plays the turns after *turn up to last; false when time is up.
static bool play(struct table *table, uint64_t *turn, uint64_t last, const struct clock *clock) {
    while (*turn < last) {
        uint64_t next = *turn + 1;
        atomic_store_explicit(&table->ping, next, memory_order_release);
        for (uint32_t spins = 1; atomic_load_explicit(&table->pong, memory_order_acquire) != next; spins++) {
            if (spins % CHECK_EVERY == 0 && out_of_time(clock)) {
                return false;
            }
        }
        *turn = next;
        if (next % CHECK_EVERY == 0 && out_of_time(clock)) {
            return false;
        }
    }
    return true;
}

static enum pair_outcome measure(struct table *table, const struct pair_job *job, const struct clock *clock,
                                 double *samples_ns, uint64_t *done) {
    uint64_t turn = 0;
    // The first round is not timed: it waits for the other thread to start and warms the lines.
    for (uint64_t i = 0; i <= job->samples; i++) {
        if (out_of_time(clock)) {
            return PAIR_TIMED_OUT;
        }
        uint64_t last = turn + job->round_trips;
        uint64_t before = now_ns();
        if (!play(table, &turn, last, clock)) {
            return PAIR_TIMED_OUT;
        }
        uint64_t taken = now_ns() - before;
        if (atomic_load_explicit(&table->pong, memory_order_acquire) != last) {
            return PAIR_WRONG_COUNT;
        }
        if (i > 0) {
            samples_ns[i - 1] = (double)taken / (2.0 * (double)job->round_trips);
            *done = i;
        }
    }
    return PAIR_MEASURED;
}

static int start(pthread_t *thread, struct table *table, const struct pair_job *job) {
    pthread_attr_t attributes;
    int error = cpus_pin_self(job->cpu_a);
    if (error != 0) {
        return error;
    }
    error = pthread_attr_init(&attributes);
    if (error != 0) {
        return error;
    }
    // Pinned before it starts: it would otherwise begin on the CPU on which this thread spins.
    error = cpus_pin_new_thread(&attributes, job->cpu_b);
    if (error == 0) {
        error = pthread_create(thread, &attributes, answer, table);
    }
    pthread_attr_destroy(&attributes);
    return error;
}

enum pair_outcome ping_pong(const struct pair_job *job, const struct control *control, double *samples_ns,
                            uint64_t *done, char *reason, size_t size) {
    struct table table = {.total = (job->samples + 1) * job->round_trips};
    struct clock clock = {control, now_ns() + (uint64_t)(job->time_limit_s * 1e9)};
    pthread_t thread;
    *done = 0;
    int error = start(&thread, &table, job);
    if (error != 0) {
        snprintf(reason, size, "the two threads could not be pinned: %s", strerror(error));
        return PAIR_NOT_STARTED;
    }
    enum pair_outcome outcome = measure(&table, job, &clock, samples_ns, done);
    atomic_store_explicit(&table.abandoned, true, memory_order_relaxed);
    pthread_join(thread, NULL);
    if (outcome == PAIR_TIMED_OUT && control_stopped(control)) {
        control_reason(control, reason, size);
        return PAIR_STOPPED;
    }
    if (outcome == PAIR_TIMED_OUT) {
        snprintf(reason, size, "the pair's time limit of %g s was reached", job->time_limit_s);
    } else if (outcome == PAIR_WRONG_COUNT || table.answered != table.total) {
        outcome = PAIR_WRONG_COUNT;
        snprintf(reason, size, "the final counter is %llu and must be %llu", (unsigned long long)table.answered,
                 (unsigned long long)table.total);
    }
    return outcome;
}
