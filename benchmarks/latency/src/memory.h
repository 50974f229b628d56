// SPDX-License-Identifier: Apache-2.0
// Free memory, transparent huge pages, and memory mappings with the one or the other page size.
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct huge_pages {
    char enabled[64];      // the kernel's own words, "" when it has no transparent huge pages
    uint64_t page_bytes;
    bool usable;
    char reason[160];      // why not usable
};

struct mapping {
    unsigned char *base;
    size_t bytes;
};

void memory_huge_pages(struct huge_pages *huge);
uint64_t memory_available(void);  // bytes, the least of what the kernel and the control groups leave; 0: unknown
uint64_t memory_mapped_bytes(uint64_t bytes, const struct huge_pages *huge);  // huge NULL: small pages
bool memory_map(struct mapping *mapping, uint64_t bytes, const struct huge_pages *huge);
uint64_t memory_anon_huge_bytes(const struct mapping *mapping);  // AnonHugePages of /proc/self/smaps
void memory_unmap(struct mapping *mapping);

#endif
