// SPDX-License-Identifier: Apache-2.0
// Whether this is a virtual machine, and by which evidence.
#ifndef VIRTUAL_H
#define VIRTUAL_H

struct virtual_machine {
    char kind[24];        // "kvm" and the like, "other" for one without a known name, "none", or "unknown"
    char evidence[1024];  // JSON strings, separated by commas
};

// root stands before /sys and /proc: "" for this machine, whose CPU is then asked too.
void virtual_detect(struct virtual_machine *found, const char *root);

#endif
