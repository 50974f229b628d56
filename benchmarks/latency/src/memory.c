// SPDX-License-Identifier: Apache-2.0
#include "memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "files.h"

#define THP "/sys/kernel/mm/transparent_hugepage/"

void memory_huge_pages(struct huge_pages *huge) {
    memset(huge, 0, sizeof *huge);
    if (!file_read_number(THP "hpage_pmd_size", &huge->page_bytes) || huge->page_bytes == 0) {
        huge->page_bytes = UINT64_C(2) << 20;
    }
    if (!file_read(THP "enabled", huge->enabled, sizeof huge->enabled)) {
        huge->enabled[0] = '\0';
        snprintf(huge->reason, sizeof huge->reason, "this kernel has no transparent huge pages");
    } else if (strstr(huge->enabled, "[never]") != NULL) {
        snprintf(huge->reason, sizeof huge->reason, "transparent huge pages are set to never on this machine");
    } else {
        huge->usable = true;
    }
}

// What one control group (version 2) leaves; page cache can be given back, so it counts as free.
static uint64_t group_available(const char *group) {
    char path[600];
    uint64_t limit;
    uint64_t used;
    uint64_t cache = 0;
    uint64_t part;
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", group);
    if (!file_read_number(path, &limit)) {
        return UINT64_MAX;
    }
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.current", group);
    if (!file_read_number(path, &used)) {
        return UINT64_MAX;
    }
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.stat", group);
    if (file_read_field(path, "inactive_file", &part)) {
        cache += part;
    }
    if (file_read_field(path, "active_file", &part)) {
        cache += part;
    }
    used = used > cache ? used - cache : 0;
    return limit > used ? limit - used : 1;
}

static uint64_t groups_available(void) {
    char line[512];
    char group[512] = "";
    FILE *file = fopen("/proc/self/cgroup", "r");
    if (file == NULL) {
        return UINT64_MAX;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "0::/", 4) == 0) {
            line[strcspn(line, "\n")] = '\0';
            snprintf(group, sizeof group, "%s", line + 3);
        }
    }
    fclose(file);
    uint64_t least = UINT64_MAX;
    for (char *slash; group[0] != '\0' && (slash = strrchr(group, '/')) != NULL; *slash = '\0') {
        uint64_t available = group_available(group);
        least = available < least ? available : least;
    }
    uint64_t available = group_available("");
    return available < least ? available : least;
}

uint64_t memory_available(void) {
    uint64_t kilobytes;
    if (!file_read_field("/proc/meminfo", "MemAvailable:", &kilobytes)) {
        return 0;
    }
    uint64_t groups = groups_available();
    return groups < kilobytes << 10 ? groups : kilobytes << 10;
}

uint64_t memory_mapped_bytes(uint64_t bytes, const struct huge_pages *huge) {
    uint64_t page = huge != NULL ? huge->page_bytes : (uint64_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

bool memory_map(struct mapping *mapping, uint64_t bytes, const struct huge_pages *huge) {
    size_t page = huge != NULL ? huge->page_bytes : (size_t)sysconf(_SC_PAGESIZE);
    size_t wanted = memory_mapped_bytes(bytes, huge);
    size_t taken = wanted + page;
    unsigned char *base = mmap(NULL, taken, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        return false;
    }
    // Begin on a (huge) page and give back what is left over on both sides.
    size_t before = (page - (uintptr_t)base % page) % page;
    if (before > 0) {
        munmap(base, before);
    }
    munmap(base + before + wanted, taken - before - wanted);
    mapping->base = base + before;
    mapping->bytes = wanted;
    // Refused by a kernel without transparent huge pages, where there is nothing to switch.
    (void)madvise(mapping->base, wanted, huge != NULL ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    return true;
}

uint64_t memory_anon_huge_bytes(const struct mapping *mapping) {
    char line[512];
    uint64_t total = 0;
    bool inside = false;
    FILE *file = fopen("/proc/self/smaps", "r");
    if (file == NULL) {
        return 0;
    }
    uint64_t low = (uintptr_t)mapping->base;
    uint64_t high = low + mapping->bytes;
    while (fgets(line, sizeof line, file) != NULL) {
        uint64_t start;
        uint64_t end;
        uint64_t kilobytes;
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2) {
            inside = start < high && end > low;
        } else if (inside && sscanf(line, "AnonHugePages: %" SCNu64, &kilobytes) == 1) {
            total += kilobytes << 10;
        }
    }
    fclose(file);
    return total;
}

void memory_unmap(struct mapping *mapping) {
    munmap(mapping->base, mapping->bytes);
}
