// SPDX-License-Identifier: Apache-2.0
#include "cpus.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

size_t cpus_allowed(int **cpus) {
    size_t size = CPU_ALLOC_SIZE(MAX_CPUS);
    cpu_set_t *set = CPU_ALLOC(MAX_CPUS);
    size_t count = 0;
    *cpus = calloc(MAX_CPUS, sizeof **cpus);
    if (set != NULL && *cpus != NULL && sched_getaffinity(0, size, set) == 0) {
        for (int cpu = 0; cpu < MAX_CPUS; cpu++) {
            if (CPU_ISSET_S((size_t)cpu, size, set)) {
                (*cpus)[count++] = cpu;
            }
        }
    }
    CPU_FREE(set);
    return count;
}

static cpu_set_t *one_cpu(int cpu) {
    cpu_set_t *set = CPU_ALLOC(MAX_CPUS);
    if (set != NULL) {
        CPU_ZERO_S(CPU_ALLOC_SIZE(MAX_CPUS), set);
        CPU_SET_S((size_t)cpu, CPU_ALLOC_SIZE(MAX_CPUS), set);
    }
    return set;
}

int cpus_pin_self(int cpu) {
    cpu_set_t *set = one_cpu(cpu);
    int error = set == NULL ? ENOMEM : pthread_setaffinity_np(pthread_self(), CPU_ALLOC_SIZE(MAX_CPUS), set);
    CPU_FREE(set);
    return error;
}

int cpus_pin_new_thread(pthread_attr_t *attributes, int cpu) {
    cpu_set_t *set = one_cpu(cpu);
    int error = set == NULL ? ENOMEM : pthread_attr_setaffinity_np(attributes, CPU_ALLOC_SIZE(MAX_CPUS), set);
    CPU_FREE(set);
    return error;
}
