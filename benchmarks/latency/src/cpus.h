// SPDX-License-Identifier: Apache-2.0
// The CPUs this process may use, and pinning to one of them.
#ifndef CPUS_H
#define CPUS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { MAX_CPUS = 8192 };

// The numbers of the allowed CPUs, ascending, in memory of the caller's; 0 when they cannot be read.
size_t cpus_allowed(int **cpus);
int cpus_pin_self(int cpu);                              // 0 or an errno
int cpus_pin_new_thread(pthread_attr_t *attributes, int cpu);  // 0 or an errno

#endif
