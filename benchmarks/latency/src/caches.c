// SPDX-License-Identifier: Apache-2.0
#include "caches.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "files.h"

static void read_sysfs(struct caches *caches, const char *root, int cpu) {
    for (int index = 0; index < 16; index++) {
        char base[ROOT_BYTES + 96];
        char path[ROOT_BYTES + 128];
        char type[32];
        uint64_t level;
        uint64_t bytes;
        uint64_t line;
        snprintf(base, sizeof base, "%s/sys/devices/system/cpu/cpu%d/cache/index%d", root, cpu, index);
        snprintf(path, sizeof path, "%s/type", base);
        if (!file_read(path, type, sizeof type)) {
            continue;
        }
        snprintf(path, sizeof path, "%s/level", base);
        if (strcmp(type, "Instruction") == 0 || !file_read_number(path, &level) || level < 1 || level > MAX_LEVELS) {
            continue;
        }
        snprintf(path, sizeof path, "%s/size", base);
        if (!file_read_number(path, &bytes)) {
            continue;
        }
        caches->level_bytes[level] = bytes;
        snprintf(path, sizeof path, "%s/coherency_line_size", base);
        if (level == 1 && file_read_number(path, &line)) {
            caches->line_bytes = line;
        }
    }
}

static void read_sysconf(struct caches *caches) {
    static const int names[] = {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE,
                                _SC_LEVEL4_CACHE_SIZE};
    for (int i = 0; i < 4; i++) {
        long bytes = sysconf(names[i]);
        caches->level_bytes[i + 1] = bytes > 0 ? (uint64_t)bytes : 0;
    }
    long line = sysconf(_SC_LEVEL1_DCACHE_LINESIZE);
    caches->line_bytes = line > 0 ? (uint64_t)line : 0;
}

static void find_ends(struct caches *caches) {
    caches->l1_bytes = caches->level_bytes[1];
    caches->llc_bytes = 0;
    for (int level = 1; level <= MAX_LEVELS; level++) {
        if (caches->level_bytes[level] > caches->llc_bytes) {
            caches->llc_bytes = caches->level_bytes[level];
        }
    }
}

static bool plausible(const struct caches *caches) {
    return caches->l1_bytes >= 4096 && caches->llc_bytes <= UINT64_C(1) << 44;
}

void caches_read(struct caches *caches, const char *root, int cpu, uint64_t l1_override, uint64_t llc_override) {
    memset(caches, 0, sizeof *caches);
    read_sysfs(caches, root, cpu);
    find_ends(caches);
    caches->source = "sysfs";
    if (!plausible(caches)) {
        read_sysconf(caches);
        find_ends(caches);
        caches->source = "sysconf";
    }
    if (!plausible(caches)) {
        memset(caches->level_bytes, 0, sizeof caches->level_bytes);
        caches->l1_bytes = UINT64_C(32) << 10;
        caches->llc_bytes = UINT64_C(64) << 20;
        caches->source = "assumed";
    }
    if (caches->line_bytes < 32 || caches->line_bytes > 1024 || (caches->line_bytes & (caches->line_bytes - 1)) != 0) {
        caches->line_bytes = 64;
    }
    caches->overridden = l1_override != 0 || llc_override != 0;
    if (l1_override != 0) {
        caches->l1_bytes = l1_override;
    }
    if (llc_override != 0) {
        caches->llc_bytes = llc_override;
    }
    if (caches->llc_bytes < caches->l1_bytes) {
        caches->llc_bytes = caches->l1_bytes;
    }
}
