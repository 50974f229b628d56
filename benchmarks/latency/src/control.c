// SPDX-License-Identifier: Apache-2.0
#include "control.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static atomic_int terminated;

static void on_sigterm(int number) {
    (void)number;
    atomic_store_explicit(&terminated, 1, memory_order_relaxed);
}

void control_catch_sigterm(void) {
    struct sigaction action = {.sa_handler = on_sigterm, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
}

void control_start(struct control *control, double time_limit_s) {
    // A part of the limit is kept for writing the result.
    double reserve_s = time_limit_s * 0.05 < 2 ? time_limit_s * 0.05 : 2;
    control->start_ns = now_ns();
    control->time_limit_s = time_limit_s;
    control->deadline_ns = control->start_ns + (uint64_t)((time_limit_s - reserve_s) * 1e9);
}

bool control_stopped(const struct control *control) {
    return atomic_load_explicit(&terminated, memory_order_relaxed) != 0 || now_ns() >= control->deadline_ns;
}

double control_left_s(const struct control *control) {
    uint64_t now = now_ns();
    return now < control->deadline_ns ? (double)(control->deadline_ns - now) / 1e9 : 0;
}

void control_reason(const struct control *control, char *text, uint64_t size) {
    if (atomic_load_explicit(&terminated, memory_order_relaxed) != 0) {
        snprintf(text, size, "stopped by SIGTERM");
    } else {
        snprintf(text, size, "the time limit of %g s was reached", control->time_limit_s);
    }
}

uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}
