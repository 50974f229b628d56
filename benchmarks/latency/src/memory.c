// SPDX-License-Identifier: Apache-2.0
#include "memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "files.h"

#define THP "/sys/kernel/mm/transparent_hugepage/"
#define HUGETLB "/sys/kernel/mm/hugepages"

// Where the flags of mmap hold the binary logarithm of the page size; the kernel's ABI.
enum { HUGETLB_SHIFT = 26 };

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

struct pages memory_base_pages(void) {
    return (struct pages){BASE_PAGES, (uint64_t)sysconf(_SC_PAGESIZE), "base"};
}

struct pages memory_transparent_pages(const struct huge_pages *huge) {
    return (struct pages){TRANSPARENT_PAGES, huge->page_bytes, "huge"};
}

static int compare_pages(const void *left, const void *right) {
    uint64_t a = ((const struct pages *)left)->bytes;
    uint64_t b = ((const struct pages *)right)->bytes;
    return (a > b) - (a < b);
}

static void name_hugetlb(struct pages *pages) {
    uint64_t megabytes = pages->bytes >> 20;
    if (megabytes >= 1024) {
        snprintf(pages->name, sizeof pages->name, "hugetlb_%" PRIu64 "g", megabytes >> 10);
    } else if (megabytes > 0) {
        snprintf(pages->name, sizeof pages->name, "hugetlb_%" PRIu64 "m", megabytes);
    } else {
        snprintf(pages->name, sizeof pages->name, "hugetlb_%" PRIu64 "k", pages->bytes >> 10);
    }
}

size_t memory_hugetlb_pages(struct pages *list, size_t most) {
    size_t count = 0;
    uint64_t kilobytes;
    DIR *directory = opendir(HUGETLB);
    if (directory == NULL) {
        return 0;
    }
    for (struct dirent *entry; count < most && (entry = readdir(directory)) != NULL;) {
        if (sscanf(entry->d_name, "hugepages-%" SCNu64 "kB", &kilobytes) == 1 && kilobytes > 0) {
            list[count] = (struct pages){.kind = HUGETLB_PAGES, .bytes = kilobytes << 10};
            name_hugetlb(&list[count++]);
        }
    }
    closedir(directory);
    qsort(list, count, sizeof *list, compare_pages);
    return count;
}

uint64_t memory_hugetlb_free(const struct pages *pages, int node) {
    char directory[96] = HUGETLB;
    char path[200];
    uint64_t count;
    if (node >= 0) {
        snprintf(directory, sizeof directory, "/sys/devices/system/node/node%d/hugepages", node);
    }
    snprintf(path, sizeof path, "%s/hugepages-%" PRIu64 "kB/free_hugepages", directory, pages->bytes >> 10);
    return file_read_number(path, &count) ? count * pages->bytes : 0;
}

uint64_t memory_mapped_bytes(uint64_t bytes, const struct pages *pages) {
    return (bytes + pages->bytes - 1) / pages->bytes * pages->bytes;
}

static bool map_hugetlb(struct mapping *mapping, const struct pages *pages) {
    int order = __builtin_ctzll(pages->bytes) << HUGETLB_SHIFT;
    mapping->base = mmap(NULL, mapping->bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | order, -1, 0);
    return mapping->base != MAP_FAILED;
}

bool memory_map(struct mapping *mapping, uint64_t bytes, const struct pages *pages) {
    size_t page = pages->bytes;
    size_t wanted = memory_mapped_bytes(bytes, pages);
    size_t taken = wanted + page;
    mapping->bytes = wanted;
    if (pages->kind == HUGETLB_PAGES) {
        return map_hugetlb(mapping, pages);
    }
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
    // Refused by a kernel without transparent huge pages, where there is nothing to switch.
    (void)madvise(mapping->base, wanted, pages->kind == TRANSPARENT_PAGES ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    return true;
}

int memory_give_hugetlb(const struct mapping *mapping, const struct pages *pages) {
    // A page that the kernel cannot give (a control group's limit, another NUMA node) is SIGBUS for a store, and an
    // error for a system call that writes there.
    int zeros = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    int error = zeros < 0 ? errno : 0;
    for (size_t at = 0; error == 0 && at < mapping->bytes; at += pages->bytes) {
        error = read(zeros, mapping->base + at, 1) == 1 ? 0 : errno;
    }
    if (zeros >= 0) {
        close(zeros);
    }
    return error;
}

void memory_pages_of(const struct mapping *mapping, struct mapping_pages *found) {
    char line[512];
    bool inside = false;
    FILE *file = fopen("/proc/self/smaps", "r");
    *found = (struct mapping_pages){0, 0};
    if (file == NULL) {
        return;
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
            found->anon_huge_bytes += kilobytes << 10;
        } else if (inside && sscanf(line, "KernelPageSize: %" SCNu64, &kilobytes) == 1) {
            found->kernel_page_bytes = kilobytes << 10;
        }
    }
    fclose(file);
}

void memory_unmap(struct mapping *mapping) {
    munmap(mapping->base, mapping->bytes);
}
