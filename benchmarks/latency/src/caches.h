// SPDX-License-Identifier: Apache-2.0
// Cache sizes, as the machine reports them.
#ifndef CACHES_H
#define CACHES_H

#include <stdbool.h>
#include <stdint.h>

enum { MAX_LEVELS = 8 };

struct caches {
    uint64_t level_bytes[MAX_LEVELS + 1];  // data or unified cache of each level from 1; 0 when there is none
    uint64_t l1_bytes;
    uint64_t llc_bytes;
    uint64_t line_bytes;
    const char *source;  // "sysfs", "sysconf" or "assumed"
    bool overridden;     // the job gave l1_bytes or llc_bytes
};

// root stands before /sys: "" for this machine.
void caches_read(struct caches *caches, const char *root, int cpu, uint64_t l1_override, uint64_t llc_override);

#endif
