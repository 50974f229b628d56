// SPDX-License-Identifier: Apache-2.0
#include "files.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool file_read(const char *path, char *text, size_t size) {
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return false;
    }
    bool good = fgets(text, (int)size, file) != NULL;
    fclose(file);
    if (good) {
        text[strcspn(text, "\n")] = '\0';
    }
    return good;
}

bool file_read_number(const char *path, uint64_t *number) {
    char text[64];
    char *end;
    if (!file_read(path, text, sizeof text) || !isdigit((unsigned char)text[0])) {
        return false;
    }
    *number = strtoull(text, &end, 10);
    switch (*end) {
    case 'G':
        *number <<= 30;
        break;
    case 'M':
        *number <<= 20;
        break;
    case 'K':
        *number <<= 10;
        break;
    default:
        break;
    }
    return true;
}

size_t file_read_list(const char *path, int *numbers, size_t most) {
    char text[4096];
    size_t count = 0;
    if (!file_read(path, text, sizeof text)) {
        return 0;
    }
    for (char *at = text; isdigit((unsigned char)*at);) {
        long first = strtol(at, &at, 10);
        long last = *at == '-' && isdigit((unsigned char)at[1]) ? strtol(at + 1, &at, 10) : first;
        for (long number = first; number <= last && count < most; number++) {
            numbers[count++] = (int)number;
        }
        at += *at == ',';
    }
    return count;
}

bool file_read_field(const char *path, const char *name, uint64_t *number) {
    char text[256];
    size_t length = strlen(name);
    bool found = false;
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return false;
    }
    while (!found && fgets(text, sizeof text, file) != NULL) {
        if (strncmp(text, name, length) == 0 && (text[length] == ' ' || text[length] == '\t')) {
            *number = strtoull(text + length, NULL, 10);
            found = true;
        }
    }
    fclose(file);
    return found;
}
