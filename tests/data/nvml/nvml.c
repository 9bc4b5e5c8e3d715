/* A stand-in for libnvidia-ml.so.1, by no means NVIDIA's: it answers what opskit asks, as the environment says.
 *
 * NVML_INIT   return code of nvmlInit
 * NVML_GPUS   how many GPUs; 2
 * NVML_NAME   what each is called; NVIDIA GeForce RTX 3090
 * NVML_LINKS  by GPU, divided by "/": for each link the digit of the GPU at its end, S for a switch, . for nothing
 * NVML_STATE  state of a link with an end: 1 active, 2 sleep
 * NVML_P2P    status of peer-to-peer over PCIe: 0 OK, 1 CNS, 2 GNS
 * NVML_LOST, NVML_MIG, NVML_HANG   index of the GPU that is lost, is split, or never answers
 * NVML_TRAFFIC  "KiB:KiB": by how much each link's two counters have grown whenever they are asked for
 * NVML_HELD   "GPU:MiB:pid": memory that a process holds
 *
 * Built with -DOLD it lacks what drivers before 510 lack. Layouts: nvml.h as pynvml.py 13.615 has it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK, INVALID = 2, UNSUPPORTED = 3, TOO_SMALL = 7, LOST = 15 };
#define MIB (1024ULL * 1024)
#define TOTAL (24576 * MIB)
#define RESERVED (318 * MIB)

typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; } Pci;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } MemoryV2;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } Process;
typedef struct { uint32_t field, scope; int64_t at, latency; int type, code; unsigned long long value; } Field;

static const char *text(const char *name, const char *otherwise) {
    const char *found = getenv(name);
    return found ? found : otherwise;
}
static int number(const char *name, int otherwise) {
    const char *found = getenv(name);
    return found ? atoi(found) : otherwise;
}
static int index_of(void *device) { return (int)(intptr_t)device - 1; }
static int check(void *device) { return index_of(device) == number("NVML_LOST", -1) ? LOST : OK; }
static int put(char *into, unsigned size, const char *what) {
    snprintf(into, size, "%s", what);
    return OK;
}
static int set(void *device, unsigned *into, unsigned value) {
    *into = value;
    return check(device);
}
static void held(void *device, unsigned long long *bytes, unsigned *pid) {
    int gpu = -1, mib = 0;
    *bytes = 0, *pid = 0;
    if (sscanf(text("NVML_HELD", ""), "%d:%d:%u", &gpu, &mib, pid) == 3 && gpu == index_of(device)) *bytes = mib * MIB;
}
/* What is at the end of a link: a GPU's digit, S, . for nothing; 0 where the GPU has no such link. */
static char end_of(int gpu, unsigned link) {
    const char *at = text("NVML_LINKS", "1111/0000");
    while (gpu-- > 0 && at) at = (at = strchr(at, '/')) ? at + 1 : NULL;
    return at && link < strcspn(at, "/") ? at[link] : 0;
}
static int fill_pci(Pci *pci, int bus) {
    memset(pci, 0, sizeof *pci);
    snprintf(pci->bus_id, sizeof pci->bus_id, "00000000:%02X:00.0", bus);
    return OK;
}

int nvmlInitWithFlags(unsigned flags) { return (void)flags, number("NVML_INIT", OK); }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return (void)code, "an error of the stand-in"; }
int nvmlSystemGetDriverVersion(char *into, unsigned size) { return put(into, size, "580.95.05"); }
int nvmlSystemGetNVMLVersion(char *into, unsigned size) { return put(into, size, "13.580.95.05"); }
int nvmlSystemGetCudaDriverVersion(int *version) { return *version = 13000, OK; }
int nvmlDeviceGetCount_v2(unsigned *count) { return *count = number("NVML_GPUS", 2), OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned at, void **device) { return *device = (void *)(intptr_t)(at + 1), OK; }
int nvmlDeviceGetName(void *device, char *into, unsigned size) {
    while (index_of(device) == number("NVML_HANG", -1)) sleep(600);
    return check(device) ? LOST : put(into, size, text("NVML_NAME", "NVIDIA GeForce RTX 3090"));
}
int nvmlDeviceGetUUID(void *device, char *into, unsigned size) {
    return snprintf(into, size, "GPU-0000000%d", index_of(device)), check(device);
}
int nvmlDeviceGetPciInfo_v3(void *device, Pci *pci) { return fill_pci(pci, 0x21 + index_of(device)), check(device); }
int nvmlDeviceGetMemoryInfo(void *device, Memory *memory) {
    unsigned pid;
    held(device, &memory->used, &pid);
    memory->used += RESERVED, memory->total = TOTAL, memory->free = TOTAL - memory->used;
    return check(device);
}
int nvmlDeviceGetPowerUsage(void *device, unsigned *mw) { return set(device, mw, 31250); }
int nvmlDeviceGetEnforcedPowerLimit(void *device, unsigned *mw) { return set(device, mw, 350000); }
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *c) { return (void)sensor, set(device, c, 41); }
int nvmlDeviceGetCurrPcieLinkGeneration(void *device, unsigned *value) { return set(device, value, 1); }
int nvmlDeviceGetMaxPcieLinkGeneration(void *device, unsigned *value) { return set(device, value, 4); }
int nvmlDeviceGetCurrPcieLinkWidth(void *device, unsigned *value) { return set(device, value, 8); }
int nvmlDeviceGetMaxPcieLinkWidth(void *device, unsigned *value) { return set(device, value, 16); }
int nvmlDeviceGetUtilizationRates(void *device, unsigned *both) { return both[0] = 7, both[1] = 3, check(device); }
int nvmlDeviceGetCpuAffinity(void *device, unsigned words, unsigned long *masks) {
    memset(masks, 0, words * sizeof *masks);
    masks[0] = 0xFUL << 4 * index_of(device);
    return check(device);
}
int nvmlDeviceGetTopologyCommonAncestor(void *a, void *b, int *level) { return (void)a, (void)b, *level = 30, OK; }
int nvmlDeviceGetNvLinkState(void *device, unsigned link, int *state) {
    char end = end_of(index_of(device), link);
    if (!end) return end_of(index_of(device), 0) ? INVALID : UNSUPPORTED;
    return *state = end == '.' ? 0 : number("NVML_STATE", 1), check(device);
}
int nvmlDeviceGetNvLinkRemotePciInfo_v2(void *device, unsigned link, Pci *pci) {
    char end = end_of(index_of(device), link);
    return fill_pci(pci, end == 'S' ? 0xE0 + (int)link : 0x21 + end - '0'), check(device);
}

#ifndef OLD
int nvmlDeviceGetMemoryInfo_v2(void *device, MemoryV2 *memory) {
    unsigned pid;
    held(device, &memory->used, &pid);
    memory->reserved = RESERVED, memory->total = TOTAL, memory->free = TOTAL - RESERVED - memory->used;
    return check(device);
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, Process *found) {
    unsigned room = *count, pid;
    unsigned long long bytes;
    held(device, &bytes, &pid);
    *count = bytes > 0;
    if (!*count) return check(device);
    if (!room || !found) return TOO_SMALL;
    found[0] = (Process){pid, bytes, 0, 0};
    return check(device);
}
int nvmlDeviceGetMigMode(void *device, unsigned *now, unsigned *pending) {
    if (number("NVML_MIG", -1) < 0) return UNSUPPORTED;
    return *now = *pending = index_of(device) == number("NVML_MIG", -1), check(device);
}
int nvmlDeviceGetNvLinkRemoteDeviceType(void *device, unsigned link, int *type) {
    return *type = end_of(index_of(device), link) == 'S' ? 2 : 0, check(device);
}
/* What link `scope` has sent (138) or received (139) by the time it is asked; -1 where no counter is. */
static long long counted(int gpu, Field *field) {
    static long long asked[16][36][2];
    int step[2], way = (int)field->field - 138;
    if (way < 0 || way > 1 || sscanf(text("NVML_TRAFFIC", ""), "%d:%d", step, step + 1) != 2) return -1;
    return 5000000000 + step[way] * ++asked[gpu][field->scope][way];
}
/* 164 is the speed of the link in scope, 90 of all; a 3090 knows the second. */
int nvmlDeviceGetFieldValues(void *device, int count, Field *fields) {
    for (int at = 0; at < count; at++) {
        long long kib = counted(index_of(device), fields + at);
        if (kib >= 0) {
            fields[at].type = 3, fields[at].value = kib, fields[at].code = OK;
            continue;
        }
        fields[at].type = 1, fields[at].value = 14062;
        fields[at].code = fields[at].field == 90 ? OK : UNSUPPORTED;
    }
    return check(device);
}
int nvmlDeviceGetP2PStatus(void *a, void *b, int what, int *status) {
    char end = end_of(index_of(a), 0);
    int linked = end == 'S' || end == '0' + index_of(b);
    *status = linked ? OK : what == 2 ? 5 : number("NVML_P2P", 1);
    return OK;
}
#endif
