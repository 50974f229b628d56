// SPDX-License-Identifier: Apache-2.0
// Free memory, the page sizes that the machine has, and mappings with one of them.
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// THP: transparent huge pages, as the kernel gives them when it can. HUGETLB: pages that were reserved as huge.
enum page_kind { BASE_PAGES, TRANSPARENT_PAGES, HUGETLB_PAGES };

struct pages {
    enum page_kind kind;
    uint64_t bytes;        // of a page
    char name[40];         // "base", "huge", "hugetlb_2m", "hugetlb_1g"
};

struct huge_pages {
    char enabled[64];      // the kernel's own words about transparent ones, "" when it has none
    uint64_t page_bytes;
    bool usable;
    char reason[160];      // why not usable
};

struct mapping {
    unsigned char *base;
    size_t bytes;
};

// What the kernel says about a mapping in /proc/self/smaps.
struct mapping_pages {
    uint64_t anon_huge_bytes;    // AnonHugePages
    uint64_t kernel_page_bytes;  // KernelPageSize
};

void memory_huge_pages(struct huge_pages *huge);
struct pages memory_base_pages(void);
struct pages memory_transparent_pages(const struct huge_pages *huge);
// The hugetlb page sizes of this machine, ascending, at most most of them; how many there are.
size_t memory_hugetlb_pages(struct pages *list, size_t most);
// Bytes in free hugetlb pages of that size, of one NUMA node or (node below 0) of the machine.
uint64_t memory_hugetlb_free(const struct pages *pages, int node);
uint64_t memory_available(void);  // bytes, the least of what the kernel and the control groups leave; 0: unknown
uint64_t memory_mapped_bytes(uint64_t bytes, const struct pages *pages);
bool memory_map(struct mapping *mapping, uint64_t bytes, const struct pages *pages);  // false: errno says why
// Gives a mapping of hugetlb pages its memory; 0 or an errno. Touching them could end the program instead.
int memory_give_hugetlb(const struct mapping *mapping, const struct pages *pages);
void memory_pages_of(const struct mapping *mapping, struct mapping_pages *found);
void memory_unmap(struct mapping *mapping);

#endif
