// SPDX-License-Identifier: Apache-2.0
#include "sharing.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "files.h"

static int first_of(const char *path) {
    int first;
    return file_read_list(path, &first, 1) == 1 ? first : -1;
}

static int first_of_l3(const char *cpu_directory) {
    char path[ROOT_BYTES + 160];
    uint64_t level;
    for (int index = 0; index < 16; index++) {
        snprintf(path, sizeof path, "%s/cache/index%d/level", cpu_directory, index);
        if (file_read_number(path, &level) && level == 3) {
            snprintf(path, sizeof path, "%s/cache/index%d/shared_cpu_list", cpu_directory, index);
            return first_of(path);
        }
    }
    return -1;
}

void place_read(struct place *place, const char *root, int cpu) {
    char directory[ROOT_BYTES + 64];
    char path[ROOT_BYTES + 160];
    char socket[32];
    snprintf(directory, sizeof directory, "%s/sys/devices/system/cpu/cpu%d", root, cpu);
    snprintf(path, sizeof path, "%s/topology/thread_siblings_list", directory);
    place->core = first_of(path);
    place->l3 = first_of_l3(directory);
    snprintf(path, sizeof path, "%s/topology/physical_package_id", directory);
    place->socket = -1;
    if (file_read(path, socket, sizeof socket)) {
        // Firmware of some Arm machines names no socket; the kernel then says -1 for all CPUs.
        place->socket = strcmp(socket, "-1") == 0 ? 0 : first_of(path);
    }
}

enum sharing sharing_of(const struct place *a, const struct place *b) {
    if (a->socket < 0 || b->socket < 0 || a->core < 0 || b->core < 0) {
        return SHARING_UNKNOWN;
    }
    if (a->core == b->core) {
        return SMT_SIBLINGS;
    }
    if (a->l3 >= 0 && a->l3 == b->l3) {
        return SAME_L3;
    }
    return a->socket == b->socket ? SAME_SOCKET : ACROSS_SOCKETS;
}

const char *sharing_name(enum sharing sharing) {
    static const char *const names[SHARINGS] = {"smt_siblings", "same_l3", "same_socket", "across_sockets", "unknown"};
    return names[sharing];
}
