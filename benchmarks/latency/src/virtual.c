// SPDX-License-Identifier: Apache-2.0
#include "virtual.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#if defined __x86_64__
#include <cpuid.h>
#endif

#include "files.h"

#define VENDOR "/sys/class/dmi/id/sys_vendor"
#define PRODUCT "/sys/class/dmi/id/product_name"

struct known {
    const char *says;
    const char *kind;
};

#if defined __x86_64__
// What leaf 0x40000000 answers.
static const struct known SIGNATURES[] = {
    {"KVMKVMKVM", "kvm"},         {"Linux KVM Hv", "kvm"},   {"TCGTCGTCGTCG", "qemu"},  {"Microsoft Hv", "hyper-v"},
    {"VMwareVMware", "vmware"},   {"XenVMMXenVMM", "xen"},   {"VBoxVBoxVBox", "virtualbox"},
    {"bhyve bhyve ", "bhyve"},    {"ACRNACRNACRN", "acrn"},  {" prl hyperv ", "parallels"},
    {" lrpepyh  vr", "parallels"}, {"___ NVMM ___", "nvmm"}, {NULL, NULL},
};
#endif

// How the manufacturer or the product of a machine begins that is none. A cloud's name alone proves nothing: it rents
// out whole machines as well. The names are those of rackbench/topology/virtual.py.
static const struct known PRODUCTS[] = {
    {"QEMU", "qemu"},          {"KVM", "kvm"},
    {"VMware", "vmware"},      {"innotek GmbH", "virtualbox"},
    {"VirtualBox", "virtualbox"}, {"Xen", "xen"},
    {"Parallels", "parallels"},   {"Bochs", "bochs"},
    {"BHYVE", "bhyve"},        {"Virtual Machine", "hyper-v"},
    {"OpenStack", "kvm"},      {"Google Compute Engine", "kvm"},
    {"Apple Virtualization", "apple"}, {"vServer", "kvm"},
    {NULL, NULL},
};

static const char *kind_of(const struct known *table, const char *text) {
    for (; table->says != NULL; table++) {
        if (strncmp(text, table->says, strlen(table->says)) == 0) {
            return table->kind;
        }
    }
    return NULL;
}

// The first evidence that names a kind decides. kind NULL: it names none.
static void add(struct virtual_machine *found, const char *source, const char *text, const char *kind) {
    size_t length = strlen(found->evidence);
    char shown[64];
    size_t at = 0;
    for (; *text != '\0' && at + 1 < sizeof shown; text++) {
        if (*text >= ' ' && *text <= '~' && *text != '"' && *text != '\\') {
            shown[at++] = *text;
        }
    }
    shown[at] = '\0';
    snprintf(found->evidence + length, sizeof found->evidence - length, "%s\"%s: %s\"", length > 0 ? ", " : "", source,
             shown);
    bool named = strcmp(found->kind, "unknown") != 0 && strcmp(found->kind, "other") != 0 &&
                 strcmp(found->kind, "none") != 0;
    if (kind != NULL && !named) {
        snprintf(found->kind, sizeof found->kind, "%s", kind);
    }
}

static void ask_cpu(struct virtual_machine *found) {
#if defined __x86_64__
    unsigned int a;
    unsigned int b;
    unsigned int c;
    unsigned int d;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0) {
        return;
    }
    if ((c & (1U << 31)) == 0) {
        add(found, "CPUID hypervisor bit", "not set", "none");
        return;
    }
    add(found, "CPUID hypervisor bit", "set", "other");
    char signature[13] = "";
    __cpuid(0x40000000, a, b, c, d);
    memcpy(signature, &b, 4);
    memcpy(signature + 4, &c, 4);
    memcpy(signature + 8, &d, 4);
    add(found, "CPUID hypervisor", signature, kind_of(SIGNATURES, signature));
#else
    (void)found;
#endif
}

static void add_product(struct virtual_machine *found, const char *path, const char *text, const char *kind) {
    if (kind != NULL) {
        add(found, path, text, kind);
    }
}

static bool read_below(const char *root, const char *path, char *text, size_t size) {
    char whole[ROOT_BYTES + 64];
    snprintf(whole, sizeof whole, "%s%s", root, path);
    return file_read(whole, text, size);
}

static void ask_files(struct virtual_machine *found, const char *root) {
    char text[128] = "";
    bool amazon = read_below(root, VENDOR, text, sizeof text) && strcmp(text, "Amazon EC2") == 0;
    add_product(found, VENDOR, text, kind_of(PRODUCTS, text));
    if (read_below(root, PRODUCT, text, sizeof text)) {
        // What Amazon rents out as a whole machine has a name such as c7g.metal.
        bool nitro = amazon && strstr(text, ".metal") == NULL;
        add_product(found, PRODUCT, text, nitro ? "kvm" : kind_of(PRODUCTS, text));
    }
    // A Xen host that governs the others has these too; it is a guest of its hypervisor all the same.
    char xen_path[ROOT_BYTES + 16];
    snprintf(xen_path, sizeof xen_path, "%s/proc/xen", root);
    if (read_below(root, "/sys/hypervisor/type", text, sizeof text)) {
        add(found, "/sys/hypervisor/type", text, strcmp(text, "xen") == 0 ? "xen" : "other");
    } else if (access(xen_path, F_OK) == 0) {
        add(found, "/proc/xen", "is there", "xen");
    }
    if (read_below(root, "/proc/device-tree/hypervisor/compatible", text, sizeof text)) {
        const char *xen = strstr(text, "xen");
        add(found, "/proc/device-tree/hypervisor", text, xen != NULL ? "xen" : "kvm");
    }
}

void virtual_detect(struct virtual_machine *found, const char *root) {
    snprintf(found->kind, sizeof found->kind, "unknown");
    found->evidence[0] = '\0';
    // Below another root is another machine, of which this CPU knows nothing.
    if (root[0] == '\0') {
        ask_cpu(found);
    }
    ask_files(found, root);
}
