// SPDX-License-Identifier: Apache-2.0
// Small files of /proc and /sys.
#ifndef FILES_H
#define FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The longest root that may stand before /sys.
enum { ROOT_BYTES = 1024 };

bool file_read(const char *path, char *text, size_t size);       // the first line, without its end
bool file_read_number(const char *path, uint64_t *number);       // with an optional K, M or G behind it
bool file_read_field(const char *path, const char *name, uint64_t *number);  // the line "name number"
// The numbers of a list such as "0-3,8", ascending, at most most of them; how many there are.
size_t file_read_list(const char *path, int *numbers, size_t most);

#endif
