// SPDX-License-Identifier: Apache-2.0
#include "json.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 32 };

struct reader {
    const char *at;
    const char *end;
    const char *error;
    int depth;
};

static bool fail(struct reader *reader, const char *error) {
    if (reader->error == NULL) {
        reader->error = error;
    }
    return false;
}

static void skip_space(struct reader *reader) {
    while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) != NULL && *reader->at != '\0') {
        reader->at++;
    }
}

static bool accept(struct reader *reader, char wanted) {
    if (reader->at < reader->end && *reader->at == wanted) {
        reader->at++;
        return true;
    }
    return false;
}

static bool read_word(struct reader *reader, const char *word) {
    size_t length = strlen(word);
    if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0) {
        return fail(reader, "an unknown word");
    }
    reader->at += length;
    return true;
}

static bool read_hex4(struct reader *reader, uint32_t *code) {
    *code = 0;
    for (int i = 0; i < 4; i++) {
        if (reader->at == reader->end) {
            return fail(reader, "a cut \\u escape");
        }
        char c = *reader->at++;
        uint32_t digit;
        if (c >= '0' && c <= '9') {
            digit = (uint32_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = (uint32_t)(c - 'a') + 10;
        } else if (c >= 'A' && c <= 'F') {
            digit = (uint32_t)(c - 'A') + 10;
        } else {
            return fail(reader, "a \\u escape that is not hexadecimal");
        }
        *code = *code * 16 + digit;
    }
    return true;
}

// The UTF-8 form of an escape is never longer than the escape itself.
static char *put_utf8(char *out, uint32_t code) {
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xC0 | (code >> 6));
        *out++ = (char)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        *out++ = (char)(0xE0 | (code >> 12));
        *out++ = (char)(0x80 | ((code >> 6) & 0x3F));
        *out++ = (char)(0x80 | (code & 0x3F));
    } else {
        *out++ = (char)(0xF0 | (code >> 18));
        *out++ = (char)(0x80 | ((code >> 12) & 0x3F));
        *out++ = (char)(0x80 | ((code >> 6) & 0x3F));
        *out++ = (char)(0x80 | (code & 0x3F));
    }
    return out;
}

static bool read_unicode_escape(struct reader *reader, char **out) {
    uint32_t code;
    if (!read_hex4(reader, &code)) {
        return false;
    }
    if (code >= 0xD800 && code <= 0xDBFF) {
        uint32_t low;
        if (!accept(reader, '\\') || !accept(reader, 'u') || !read_hex4(reader, &low) || low < 0xDC00 ||
            low > 0xDFFF) {
            return fail(reader, "half a surrogate pair");
        }
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code <= 0xDFFF) {
        return fail(reader, "half a surrogate pair");
    }
    if (code == 0) {
        return fail(reader, "U+0000 in a string");
    }
    *out = put_utf8(*out, code);
    return true;
}

static bool read_escape(struct reader *reader, char **out) {
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    if (accept(reader, 'u')) {
        return read_unicode_escape(reader, out);
    }
    const char *found = NULL;
    if (reader->at < reader->end && *reader->at != '\0') {
        found = strchr(names, *reader->at);
    }
    if (found == NULL) {
        return fail(reader, "an unknown escape in a string");
    }
    reader->at++;
    *(*out)++ = values[found - names];
    return true;
}

// Copies one well-formed UTF-8 sequence (no overlong forms, no surrogates).
static bool copy_utf8(struct reader *reader, char **out) {
    unsigned char first = (unsigned char)*reader->at;
    int more = first < 0x80 ? 0 : first < 0xC2 ? -1 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : first < 0xF5 ? 3 : -1;
    if (more < 0 || reader->end - reader->at <= more) {
        return fail(reader, "a string that is not UTF-8");
    }
    for (int i = 1; i <= more; i++) {
        if (((unsigned char)reader->at[i] & 0xC0) != 0x80) {
            return fail(reader, "a string that is not UTF-8");
        }
    }
    unsigned char second = more > 0 ? (unsigned char)reader->at[1] : 0;
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) || (first == 0xF0 && second < 0x90) ||
        (first == 0xF4 && second > 0x8F)) {
        return fail(reader, "a string that is not UTF-8");
    }
    memcpy(*out, reader->at, (size_t)more + 1);
    *out += more + 1;
    reader->at += more + 1;
    return true;
}

static bool read_string(struct reader *reader, char **result) {
    if (!accept(reader, '"')) {
        return fail(reader, "a string was expected");
    }
    char *buffer = malloc((size_t)(reader->end - reader->at) + 1);
    if (buffer == NULL) {
        return fail(reader, "not enough memory");
    }
    char *out = buffer;
    bool good = true;
    while (good && !accept(reader, '"')) {
        if (reader->at == reader->end) {
            good = fail(reader, "a string without an end");
        } else if ((unsigned char)*reader->at < 0x20) {
            good = fail(reader, "a control character in a string");
        } else if (accept(reader, '\\')) {
            good = read_escape(reader, &out);
        } else {
            good = copy_utf8(reader, &out);
        }
    }
    if (!good) {
        free(buffer);
        return false;
    }
    *out = '\0';
    *result = buffer;
    return true;
}

static size_t skip_digits(struct reader *reader) {
    const char *start = reader->at;
    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9') {
        reader->at++;
    }
    return (size_t)(reader->at - start);
}

static bool read_number(struct reader *reader, struct json *value) {
    const char *start = reader->at;
    char copy[64];
    value->integer = true;
    accept(reader, '-');
    if (!accept(reader, '0') && skip_digits(reader) == 0) {
        return fail(reader, "an unexpected character");
    }
    if (accept(reader, '.')) {
        value->integer = false;
        if (skip_digits(reader) == 0) {
            return fail(reader, "a number without digits after its point");
        }
    }
    if (accept(reader, 'e') || accept(reader, 'E')) {
        value->integer = false;
        if (!accept(reader, '+')) {
            accept(reader, '-');
        }
        if (skip_digits(reader) == 0) {
            return fail(reader, "a number without digits in its exponent");
        }
    }
    size_t length = (size_t)(reader->at - start);
    if (length >= sizeof copy) {
        return fail(reader, "a number that is too long");
    }
    memcpy(copy, start, length);
    copy[length] = '\0';
    value->number = strtod(copy, NULL);
    if (!isfinite(value->number)) {
        return fail(reader, "a number that is too large");
    }
    value->type = JSON_NUMBER;
    return true;
}

static bool read_value(struct reader *reader, struct json *value);

static bool grow(struct reader *reader, struct json *value) {
    if ((value->count & (value->count + 1)) != 0) {
        return true;  // there is room up to the next power of two
    }
    size_t room = 2 * (value->count + 1);
    struct json *items = realloc(value->items, room * sizeof *items);
    if (items == NULL) {
        return fail(reader, "not enough memory");
    }
    value->items = items;
    if (value->type == JSON_OBJECT) {
        char **keys = realloc(value->keys, room * sizeof *keys);
        if (keys == NULL) {
            return fail(reader, "not enough memory");
        }
        value->keys = keys;
    }
    return true;
}

static bool read_key(struct reader *reader, struct json *object) {
    char *key;
    skip_space(reader);
    if (!read_string(reader, &key)) {
        return false;
    }
    object->keys[object->count] = key;
    for (size_t i = 0; i < object->count; i++) {
        if (strcmp(object->keys[i], key) == 0) {
            free(key);
            return fail(reader, "a name given twice in one object");
        }
    }
    skip_space(reader);
    if (!accept(reader, ':')) {
        free(key);
        return fail(reader, "a colon was expected");
    }
    return true;
}

static bool read_items(struct reader *reader, struct json *value, char close) {
    skip_space(reader);
    if (accept(reader, close)) {
        return true;
    }
    do {
        if (!grow(reader, value) || (value->type == JSON_OBJECT && !read_key(reader, value))) {
            return false;
        }
        // Counted before it is read, so that a half-read item is freed with the rest.
        struct json *item = &value->items[value->count++];
        if (!read_value(reader, item)) {
            return false;
        }
        skip_space(reader);
    } while (accept(reader, ','));
    return accept(reader, close) || fail(reader, "a comma or the closing bracket was expected");
}

static bool read_value(struct reader *reader, struct json *value) {
    memset(value, 0, sizeof *value);
    skip_space(reader);
    if (reader->at == reader->end) {
        return fail(reader, "the text ends too early");
    }
    switch (*reader->at) {
    case '{':
    case '[': {
        bool object = *reader->at++ == '{';
        value->type = object ? JSON_OBJECT : JSON_ARRAY;
        if (++reader->depth > MAX_DEPTH) {
            return fail(reader, "nesting that is too deep");
        }
        bool good = read_items(reader, value, object ? '}' : ']');
        reader->depth--;
        return good;
    }
    case '"':
        if (!read_string(reader, &value->string)) {
            return false;
        }
        value->type = JSON_STRING;
        return true;
    case 't':
        value->type = JSON_BOOL;
        value->boolean = true;
        return read_word(reader, "true");
    case 'f':
        value->type = JSON_BOOL;
        return read_word(reader, "false");
    case 'n':
        return read_word(reader, "null");
    default:
        return read_number(reader, value);
    }
}

static void free_content(struct json *value) {
    for (size_t i = 0; i < value->count; i++) {
        free_content(&value->items[i]);
        if (value->keys != NULL) {
            free(value->keys[i]);
        }
    }
    free(value->items);
    free(value->keys);
    free(value->string);
}

struct json *json_parse(const char *text, size_t length, const char **error) {
    struct reader reader = {.at = text, .end = text + length};
    struct json *value = calloc(1, sizeof *value);
    if (value == NULL) {
        *error = "not enough memory";
        return NULL;
    }
    if (read_value(&reader, value)) {
        skip_space(&reader);
        if (reader.at == reader.end) {
            return value;
        }
        fail(&reader, "text after the value");
    }
    *error = reader.error;
    json_free(value);
    return NULL;
}

const struct json *json_member(const struct json *object, const char *name) {
    for (size_t i = 0; i < object->count; i++) {
        if (strcmp(object->keys[i], name) == 0) {
            return &object->items[i];
        }
    }
    return NULL;
}

void json_free(struct json *value) {
    if (value != NULL) {
        free_content(value);
        free(value);
    }
}
