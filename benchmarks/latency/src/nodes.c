// SPDX-License-Identifier: Apache-2.0
#include "nodes.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "files.h"

enum { PREFERRED = 1, SAMPLED_PAGES = 512, MASK_BITS = 8 * sizeof(unsigned long) };

static int node_of(const char *root, int cpu) {
    char path[ROOT_BYTES + 96];
    for (int node = 0; node < MAX_NODES; node++) {
        snprintf(path, sizeof path, "%s/sys/devices/system/cpu/cpu%d/node%d", root, cpu, node);
        if (access(path, F_OK) == 0) {
            return node;
        }
    }
    return 0;
}

void nodes_read(struct nodes *nodes, const char *root, int cpu) {
    char path[ROOT_BYTES + 64];
    snprintf(path, sizeof path, "%s/sys/devices/system/node/has_memory", root);
    nodes->count = file_read_list(path, nodes->memory, MAX_NODES);
    if (nodes->count == 0) {
        nodes->memory[nodes->count++] = 0;
    }
    nodes->cpu_node = node_of(root, cpu);
}

int nodes_prefer(void *base, size_t bytes, int node) {
    unsigned long mask[MAX_NODES / MASK_BITS] = {0};
    mask[(size_t)node / MASK_BITS] = 1UL << ((size_t)node % MASK_BITS);
    // Only a preference: a full node would otherwise bring the killer of processes, and nodes_share tells of it too.
    return syscall(SYS_mbind, base, bytes, PREFERRED, mask, (unsigned long)MAX_NODES + 1, 0UL) == 0 ? 0 : errno;
}

double nodes_share(unsigned char *base, size_t bytes, int node) {
    void *pages[SAMPLED_PAGES];
    int status[SAMPLED_PAGES];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t count = bytes / page < SAMPLED_PAGES ? bytes / page : SAMPLED_PAGES;
    size_t there = 0;
    for (size_t i = 0; i < count; i++) {
        pages[i] = base + bytes / page * i / count * page;
    }
    if (count == 0 || syscall(SYS_move_pages, 0, (unsigned long)count, pages, NULL, status, 0) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        there += status[i] == node;
    }
    return (double)there / (double)count;
}
