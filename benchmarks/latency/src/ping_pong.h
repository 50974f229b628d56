// SPDX-License-Identifier: Apache-2.0
// Two pinned threads hand a counter to and fro over two cache lines.
#ifndef PING_PONG_H
#define PING_PONG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control.h"

enum pair_outcome { PAIR_MEASURED, PAIR_TIMED_OUT, PAIR_STOPPED, PAIR_NOT_STARTED, PAIR_WRONG_COUNT };

struct pair_job {
    int cpu_a;
    int cpu_b;
    uint64_t samples;
    uint64_t round_trips;  // per sample
    double time_limit_s;
};

// Fills samples_ns[job->samples] with one-way latencies in ns: half a round trip each; *done is how many there are. On
// any other outcome than PAIR_MEASURED, reason says why.
enum pair_outcome ping_pong(const struct pair_job *job, const struct control *control, double *samples_ns,
                            uint64_t *done, char *reason, size_t size);

#endif
