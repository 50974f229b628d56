// SPDX-License-Identifier: Apache-2.0
// A table that grows by one whole row a write, so that a killed run keeps the rows it had.
#ifndef CSV_H
#define CSV_H

int csv_open(const char *directory, const char *name, const char *header);  // a descriptor, or -1
__attribute__((format(printf, 2, 3))) void csv_row(int descriptor, const char *format, ...);

#endif
