// SPDX-License-Identifier: Apache-2.0
// What the two CPUs of a pair have in common. The latencies of a machine fall into these classes.
#ifndef SHARING_H
#define SHARING_H

#include <stddef.h>

// From the nearest to the farthest.
enum sharing { SMT_SIBLINGS, SAME_L3, SAME_SOCKET, ACROSS_SOCKETS, SHARING_UNKNOWN, SHARINGS };

// Where a CPU is: the first CPU of its core and of its L3 cache, -1 without one; a socket, -1 when not known.
struct place {
    int core;
    int l3;
    int socket;
};

// root stands before /sys: "" for this machine.
void place_read(struct place *place, const char *root, int cpu);
enum sharing sharing_of(const struct place *a, const struct place *b);
const char *sharing_name(enum sharing sharing);

#endif
