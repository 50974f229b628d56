// SPDX-License-Identifier: Apache-2.0
#include "csv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int csv_open(const char *directory, const char *name, const char *header) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
    if (descriptor < 0) {
        fprintf(stderr, "latency: %s cannot be written: %s\n", path, strerror(errno));
        return -1;
    }
    csv_row(descriptor, "%s", header);
    return descriptor;
}

void csv_row(int descriptor, const char *format, ...) {
    char row[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(row, sizeof row - 1, format, arguments);
    va_end(arguments);
    row[length] = '\n';
    if (write(descriptor, row, (size_t)length + 1) != length + 1) {
        fprintf(stderr, "latency: a row of a table could not be written in full\n");
    }
}
