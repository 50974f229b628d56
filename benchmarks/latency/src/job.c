// SPDX-License-Identifier: Apache-2.0
#include "job.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpus.h"
#include "json.h"

enum { MAX_JOB_BYTES = 1 << 20 };

__attribute__((format(printf, 2, 3))) static bool refuse(const char *path, const char *format, ...) {
    va_list arguments;
    fprintf(stderr, "latency: %s: ", path);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return false;
}

static struct json *read_document(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        refuse(path, "cannot be read: %s", strerror(errno));
        return NULL;
    }
    char *text = malloc(MAX_JOB_BYTES + 1);
    size_t length = text == NULL ? 0 : fread(text, 1, MAX_JOB_BYTES + 1, file);
    const char *error = NULL;
    if (text == NULL) {
        error = "not enough memory";
    } else if (ferror(file)) {
        error = "cannot be read";
    } else if (length > MAX_JOB_BYTES) {
        error = "longer than 1 MiB";
    }
    fclose(file);
    struct json *document = error == NULL ? json_parse(text, length, &error) : NULL;
    free(text);
    if (document == NULL) {
        refuse(path, "not a usable JSON document: %s", error);
    }
    return document;
}

static const struct json *needed(const char *path, const struct json *object, const char *name, enum json_type type,
                                 const char *type_name) {
    const struct json *value = json_member(object, name);
    if (value == NULL) {
        refuse(path, "the field %s is missing", name);
        return NULL;
    }
    if (value->type != type) {
        refuse(path, "the field %s must be %s", name, type_name);
        return NULL;
    }
    return value;
}

// An optional whole number; null means that it is not given.
static bool whole(const char *path, const struct json *parameters, const char *name, uint64_t low, uint64_t high,
                  uint64_t *result) {
    const struct json *value = json_member(parameters, name);
    if (value == NULL || value->type == JSON_NULL) {
        return true;
    }
    if (value->type != JSON_NUMBER || !value->integer || value->number < (double)low ||
        value->number > (double)high) {
        return refuse(path, "parameters.%s must be a whole number from %llu to %llu", name, (unsigned long long)low,
                      (unsigned long long)high);
    }
    *result = (uint64_t)value->number;
    return true;
}

// "auto", "all", or how many pairs, as a number or in a text as a command line gives it.
static bool read_sampling(const char *path, const struct json *parameters, struct job *job) {
    const struct json *value = json_member(parameters, "sampling");
    if (value == NULL || value->type == JSON_NULL) {
        return true;
    }
    double number = value->type == JSON_NUMBER && value->integer ? value->number : 0;
    if (value->type == JSON_STRING) {
        if (strcmp(value->string, "auto") == 0 || strcmp(value->string, "all") == 0) {
            job->sampling = strcmp(value->string, "all") == 0 ? SAMPLE_ALL : SAMPLE_AUTO;
            return true;
        }
        size_t digits = strspn(value->string, "0123456789");
        number = digits > 0 && value->string[digits] == '\0' ? strtod(value->string, NULL) : 0;
    }
    if (number < 1 || number > 1e9) {
        return refuse(path, "parameters.sampling must be \"auto\", \"all\" or a whole number from 1 to 1000000000");
    }
    job->sampling = SAMPLE_NUMBER;
    job->max_pairs = (uint64_t)number;
    return true;
}

static bool read_parameters(const char *path, const struct json *parameters, struct job *job) {
    static const struct job smoke = {.mode = "smoke", .samples = 5, .round_trips = 2000, .chase_steps = 1 << 16,
                                     .points_per_octave = 0, .max_pairs = 64, .pair_time_limit_s = 10};
    static const struct job full = {.mode = "full", .samples = 10, .round_trips = 10000, .chase_steps = 1 << 20,
                                    .points_per_octave = 2, .max_pairs = 0, .pair_time_limit_s = 10};
    const struct json *mode = json_member(parameters, "mode");
    if (mode == NULL || mode->type != JSON_STRING ||
        (strcmp(mode->string, "smoke") != 0 && strcmp(mode->string, "full") != 0)) {
        return refuse(path, "parameters.mode must be \"smoke\" or \"full\"");
    }
    *job = strcmp(mode->string, "smoke") == 0 ? smoke : full;
    const struct json *limit = json_member(parameters, "pair_time_limit_s");
    if (limit != NULL && limit->type != JSON_NULL) {
        if (limit->type != JSON_NUMBER || limit->number <= 0 || limit->number > 1e6) {
            return refuse(path, "parameters.pair_time_limit_s must be a number above 0, up to 1000000");
        }
        job->pair_time_limit_s = limit->number;
    }
    if (!whole(path, parameters, "samples", 2, 1000, &job->samples) ||
        !whole(path, parameters, "round_trips", 100, 1000000000, &job->round_trips) ||
        !whole(path, parameters, "chase_steps", 1000, 1000000000, &job->chase_steps) ||
        !whole(path, parameters, "points_per_octave", 1, 8, &job->points_per_octave) ||
        !whole(path, parameters, "max_pairs", 1, 1000000000, &job->max_pairs) ||
        !whole(path, parameters, "l1_bytes", 4096, UINT64_C(1) << 30, &job->l1_bytes) ||
        !whole(path, parameters, "llc_bytes", 4096, UINT64_C(1) << 44, &job->llc_bytes) ||
        !read_sampling(path, parameters, job)) {
        return false;
    }
    if (job->l1_bytes != 0 && job->llc_bytes != 0 && job->l1_bytes > job->llc_bytes) {
        return refuse(path, "parameters.l1_bytes is above parameters.llc_bytes");
    }
    return true;
}

static int compare_ints(const void *left, const void *right) {
    int a = *(const int *)left;
    int b = *(const int *)right;
    return (a > b) - (a < b);
}

static bool read_cpus(const char *path, const struct json *document, struct job *job) {
    const struct json *cpus = json_member(document, "cpus");
    if (cpus == NULL || (cpus->type != JSON_NULL && cpus->type != JSON_ARRAY)) {
        return refuse(path, "the field cpus must be a list of CPU numbers or null");
    }
    if (cpus->type == JSON_NULL) {
        job->all_cpus = true;
        return true;
    }
    if (cpus->count == 0) {
        return refuse(path, "the field cpus is an empty list");
    }
    job->cpus = calloc(cpus->count, sizeof *job->cpus);
    if (job->cpus == NULL) {
        return refuse(path, "not enough memory");
    }
    job->cpu_count = cpus->count;
    for (size_t i = 0; i < cpus->count; i++) {
        const struct json *cpu = &cpus->items[i];
        if (cpu->type != JSON_NUMBER || !cpu->integer || cpu->number < 0 || cpu->number >= MAX_CPUS) {
            return refuse(path, "the field cpus must hold whole numbers from 0 to %d", MAX_CPUS - 1);
        }
        job->cpus[i] = (int)cpu->number;
    }
    qsort(job->cpus, job->cpu_count, sizeof *job->cpus, compare_ints);
    for (size_t i = 1; i < job->cpu_count; i++) {
        if (job->cpus[i] == job->cpus[i - 1]) {
            return refuse(path, "the field cpus names CPU %d twice", job->cpus[i]);
        }
    }
    return true;
}

static bool read_fields(const char *path, const struct json *document, struct job *job) {
    static const char *const names[] = {"run_id", "execution_id", "adapter", "family"};
    if (document->type != JSON_OBJECT) {
        return refuse(path, "the document must be an object");
    }
    const struct json *schema = needed(path, document, "schema", JSON_STRING, "a string");
    if (schema == NULL) {
        return false;
    }
    if (strcmp(schema->string, "rackbench.job/1.0") != 0) {
        return refuse(path, "the field schema must be \"rackbench.job/1.0\"");
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (needed(path, document, names[i], JSON_STRING, "a string") == NULL) {
            return false;
        }
    }
    const struct json *repeat = needed(path, document, "repeat", JSON_NUMBER, "a whole number from 1");
    const struct json *limit = needed(path, document, "time_limit_s", JSON_NUMBER, "a number above 0");
    const struct json *parameters = needed(path, document, "parameters", JSON_OBJECT, "an object");
    if (repeat == NULL || limit == NULL || parameters == NULL) {
        return false;
    }
    if (!repeat->integer || repeat->number < 1) {
        return refuse(path, "the field repeat must be a whole number from 1");
    }
    if (limit->number <= 0 || limit->number > 1e8) {
        return refuse(path, "the field time_limit_s must be a number above 0, up to 100000000");
    }
    if (!read_parameters(path, parameters, job)) {
        return false;
    }
    job->time_limit_s = limit->number;
    return read_cpus(path, document, job);
}

bool job_read(const char *path, struct job *job) {
    memset(job, 0, sizeof *job);
    struct json *document = read_document(path);
    if (document == NULL) {
        return false;
    }
    bool good = read_fields(path, document, job);
    json_free(document);
    return good;
}

void job_free(struct job *job) {
    free(job->cpus);
}
