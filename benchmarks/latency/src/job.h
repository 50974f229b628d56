// SPDX-License-Identifier: Apache-2.0
// job.json: what was asked for.
#ifndef JOB_H
#define JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Which pairs of CPUs are measured: those that fit into the time, all, or max_pairs of them.
enum sampling { SAMPLE_AUTO, SAMPLE_ALL, SAMPLE_NUMBER };

struct job {
    char mode[8];               // "smoke" or "full"
    double time_limit_s;
    double pair_time_limit_s;
    uint64_t samples;           // per pair and per point of the curve
    uint64_t round_trips;       // per sample
    uint64_t chase_steps;       // per sample
    uint64_t points_per_octave; // 0: one point per cache level
    enum sampling sampling;
    uint64_t max_pairs;         // 0: no limit
    uint64_t l1_bytes;          // 0: what the machine says
    uint64_t llc_bytes;         // 0: what the machine says
    bool all_cpus;
    int *cpus;                  // ascending, when not all
    size_t cpu_count;
};

// Reads and checks the job. On failure says why on stderr and returns false.
bool job_read(const char *path, struct job *job);
void job_free(struct job *job);

#endif
