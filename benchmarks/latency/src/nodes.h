// SPDX-License-Identifier: Apache-2.0
// NUMA nodes: which there are, and memory of one of them. By system calls, without libnuma.
#ifndef NODES_H
#define NODES_H

#include <stdbool.h>
#include <stddef.h>

enum { MAX_NODES = 1024 };

struct nodes {
    int cpu_node;             // of the measuring CPU; 0 on a kernel that knows no nodes
    int memory[MAX_NODES];    // nodes with memory, ascending
    size_t count;
};

// root stands before /sys: "" for this machine.
void nodes_read(struct nodes *nodes, const char *root, int cpu);
// Asks for memory of that node, before it is touched; 0 or an errno. When it is full the kernel takes another node's.
int nodes_prefer(void *base, size_t bytes, int node);
// How much of the touched memory is on that node, 0 to 1, by a sample of its pages; -1 when the kernel does not tell.
double nodes_share(unsigned char *base, size_t bytes, int node);

#endif
