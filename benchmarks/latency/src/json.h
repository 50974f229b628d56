// SPDX-License-Identifier: Apache-2.0
// A small strict JSON reader (RFC 8259) for job.json.
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_type type;
    bool boolean;
    bool integer;       // the number was written without a fraction or an exponent
    double number;
    char *string;       // UTF-8
    size_t count;       // items of an array or members of an object
    struct json *items;
    char **keys;        // the members' names, in an object
};

// Parses exactly one value that fills the whole text. Refuses duplicate names, invalid UTF-8, U+0000,
// numbers that are not finite and nesting deeper than 32. Returns NULL and sets *error when refused.
struct json *json_parse(const char *text, size_t length, const char **error);
const struct json *json_member(const struct json *object, const char *name);  // NULL when absent
void json_free(struct json *value);

#endif
