// SPDX-License-Identifier: Apache-2.0
#include "results.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void utc_now(char *text, size_t size, bool milliseconds) {
    struct timespec now;
    struct tm parts;
    char seconds[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &parts);
    if (milliseconds) {
        snprintf(text, size, "%s.%03dZ", seconds, (int)(now.tv_nsec / 1000000));
    } else {
        snprintf(text, size, "%sZ", seconds);
    }
}

// All texts are the program's own and the kernel's, so escaping is needed for few characters only.
static void put_string(FILE *file, const char *text) {
    fputc('"', file);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            fprintf(file, "\\%c", c);
        } else if (c < 0x20 || c > 0x7E) {
            fprintf(file, "\\u%04x", c);
        } else {
            fputc(c, file);
        }
    }
    fputc('"', file);
}

static void separate(FILE *file) {
    if (ftell(file) > 0) {
        fputs(",\n    ", file);
    }
}

bool results_open(struct results *results, const char *directory) {
    char path[4096];
    memset(results, 0, sizeof *results);
    results->directory = directory;
    utc_now(results->started_at, sizeof results->started_at, false);
    results->metrics = open_memstream(&results->metrics_text, &results->text_size[0]);
    results->checks = open_memstream(&results->checks_text, &results->text_size[1]);
    results->skipped = open_memstream(&results->skipped_text, &results->text_size[2]);
    results->facts = open_memstream(&results->facts_text, &results->text_size[3]);
    if (results->metrics == NULL || results->checks == NULL || results->skipped == NULL || results->facts == NULL) {
        fprintf(stderr, "latency: not enough memory\n");
        return false;
    }
    snprintf(path, sizeof path, "%s/progress.ndjson", directory);
    results->progress = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (results->progress < 0) {
        fprintf(stderr, "latency: %s cannot be written: %s\n", path, strerror(errno));
        return false;
    }
    return true;
}

void results_metric(struct results *results, const char *name, const char *labels, const double *samples,
                    uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        if (!isfinite(samples[i]) || samples[i] <= 0) {
            results->bad_values++;
            return;
        }
    }
    if (count == 0) {
        results->bad_values++;
        return;
    }
    results->values += count;
    separate(results->metrics);
    fprintf(results->metrics, "{\"name\": \"%s\", \"unit\": \"ns\", \"direction\": \"lower\", \"samples\": [", name);
    for (uint64_t i = 0; i < count; i++) {
        fprintf(results->metrics, "%s%.6g", i > 0 ? ", " : "", samples[i]);
    }
    fprintf(results->metrics, "], \"labels\": {%s}}", labels);
}

void results_check_machine(struct results *results, const char *name, bool ok, const char *detail) {
    separate(results->checks);
    fprintf(results->checks, "{\"name\": \"%s\", \"ok\": %s, \"detail\": ", name, ok ? "true" : "false");
    put_string(results->checks, detail);
    fputc('}', results->checks);
}

void results_check_complete(struct results *results, const char *name, bool ok, const char *detail) {
    results_check_machine(results, name, ok, detail);
    results->incomplete |= !ok;
}

void results_check(struct results *results, const char *name, bool ok, const char *detail) {
    results_check_complete(results, name, ok, detail);
    results->failed |= !ok;
}

void results_skip(struct results *results, const char *name, const char *reason, bool planned) {
    separate(results->skipped);
    fputs("{\"name\": ", results->skipped);
    put_string(results->skipped, name);
    fputs(", \"reason\": ", results->skipped);
    put_string(results->skipped, reason);
    fputc('}', results->skipped);
    results->incomplete |= planned;
}

void results_fact(struct results *results, const char *name, const char *json_format, ...) {
    va_list arguments;
    separate(results->facts);
    fprintf(results->facts, "\"%s\": ", name);
    va_start(arguments, json_format);
    vfprintf(results->facts, json_format, arguments);
    va_end(arguments);
}

void results_string_fact(struct results *results, const char *name, const char *value) {
    separate(results->facts);
    fprintf(results->facts, "\"%s\": ", name);
    put_string(results->facts, value);
}

void results_progress(struct results *results, const char *label) {
    char at[64];
    char line[512];
    results->done++;
    utc_now(at, sizeof at, true);
    // The labels are short and plain, so the line always fits and needs no escapes.
    int length = snprintf(line, sizeof line,
                          "{\"at\": \"%s\", \"done\": %llu, \"total\": %llu, \"unit\": \"measurements\", "
                          "\"label\": \"%s\"}\n",
                          at, (unsigned long long)results->done, (unsigned long long)results->total, label);
    if (write(results->progress, line, (size_t)length) != length) {
        fprintf(stderr, "latency: progress.ndjson could not be written in full\n");
    }
}

static const char *write_document(struct results *results, FILE *file, double duration_s) {
    const char *status = results->failed ? "failed" : results->incomplete ? "partial" : "passed";
    fprintf(file, "{\n  \"schema\": \"rackbench.result/1.0\",\n");
    fprintf(file, "  \"benchmark\": {\"name\": \"latency\", \"version\": \"1.1.0\"},\n");
    fprintf(file, "  \"status\": \"%s\",\n  \"started_at\": \"%s\",\n", status, results->started_at);
    fprintf(file, "  \"duration_s\": %.6f,\n", duration_s);
    fprintf(file, "  \"metrics\": [\n    %s\n  ],\n", results->metrics_text);
    fprintf(file, "  \"checks\": [\n    %s\n  ],\n", results->checks_text);
    fprintf(file, "  \"skipped\": [%s],\n", results->skipped_text);
    fprintf(file, "  \"facts\": {\n    %s\n  }\n}\n", results->facts_text);
    return status;
}

// The name appears only when the whole document is on the disk.
static bool publish(FILE *file, const char *directory, const char *temporary, const char *path) {
    bool good = fflush(file) == 0 && !ferror(file) && fsync(fileno(file)) == 0;
    good = fclose(file) == 0 && good;
    good = good && rename(temporary, path) == 0;
    if (!good) {
        fprintf(stderr, "latency: %s could not be written: %s\n", path, strerror(errno));
        unlink(temporary);
        return false;
    }
    int descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor >= 0) {
        fsync(descriptor);
        close(descriptor);
    }
    return true;
}

int results_close(struct results *results, double duration_s) {
    char path[4096];
    char temporary[4096];
    char detail[160];
    snprintf(detail, sizeof detail, "%llu values are finite and above 0, %llu series have a value that is not",
             (unsigned long long)results->values, (unsigned long long)results->bad_values);
    results_check(results, "values_are_positive", results->bad_values == 0, detail);
    fclose(results->metrics);
    fclose(results->checks);
    fclose(results->skipped);
    fclose(results->facts);
    close(results->progress);
    snprintf(path, sizeof path, "%s/result.json", results->directory);
    snprintf(temporary, sizeof temporary, "%s/result.json.tmp", results->directory);
    FILE *file = fopen(temporary, "w");
    int code = 3;
    if (file == NULL) {
        fprintf(stderr, "latency: %s could not be written: %s\n", path, strerror(errno));
    } else {
        const char *status = write_document(results, file, duration_s);
        if (publish(file, results->directory, temporary, path)) {
            code = strcmp(status, "passed") == 0 ? 0 : 1;
        }
    }
    free(results->metrics_text);
    free(results->checks_text);
    free(results->skipped_text);
    free(results->facts_text);
    return code;
}

static int compare_doubles(const void *left, const void *right) {
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

void results_sort(double *values, uint64_t count) {
    qsort(values, count, sizeof *values, compare_doubles);
}

double results_quantile(const double *sorted, uint64_t count, double part) {
    double place = part * (double)(count - 1);
    uint64_t below = (uint64_t)place;
    uint64_t above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (place - (double)below) * (sorted[above] - sorted[below]);
}

struct spread results_spread(const double *samples, uint64_t count) {
    struct spread spread = {0, 0, 0};
    double *sorted = count > 0 ? malloc(count * sizeof *sorted) : NULL;
    if (sorted != NULL) {
        memcpy(sorted, samples, count * sizeof *sorted);
        results_sort(sorted, count);
        spread.least = sorted[0];
        spread.median = results_quantile(sorted, count, 0.5);
        spread.most = sorted[count - 1];
        free(sorted);
    }
    return spread;
}
