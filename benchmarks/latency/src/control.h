// SPDX-License-Identifier: Apache-2.0
// When to stop: SIGTERM, or the time limit of the whole job.
#ifndef CONTROL_H
#define CONTROL_H

#include <stdbool.h>
#include <stdint.h>

struct control {
    uint64_t start_ns;
    uint64_t deadline_ns;
    double time_limit_s;
};

void control_catch_sigterm(void);
void control_start(struct control *control, double time_limit_s);
bool control_stopped(const struct control *control);
double control_left_s(const struct control *control);
void control_reason(const struct control *control, char *text, uint64_t size);
uint64_t now_ns(void);  // monotonic

#endif
