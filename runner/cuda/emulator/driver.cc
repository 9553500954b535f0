// The functions of NVIDIA's driver API that headprof calls, for one emulated
// device. Work is put off until somebody waits for it, so that a result that is
// read too early is not there. A kernel that breaks a rule loses the device, as
// on hardware, and its message goes to stderr.
#include "../kernels/kernel.h"
#include "groups.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

typedef int Result;
enum { OK = 0, INVALID = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_IMAGE = 200, INVALID_CONTEXT = 201, INVALID_PTX = 218, NOT_FOUND = 500, ILLEGAL_ADDRESS = 700, LAUNCH_FAILED = 719 };

#define EXPORT extern "C" __attribute__((visibility("default")))

u64 arena, arenaBytes;
unsigned short *valid;

// Settings of a test: emulate("name=number").
static struct {
	long long memory, lost, version, count, init, capability;
} settings;
static const decltype(settings) usual = {4ll << 30, -1, 12000, 1, 0, 90};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
struct Lock {
	Lock() { pthread_mutex_lock(&mutex); }
	~Lock() { pthread_mutex_unlock(&mutex); }
};

static bool initialised;
static Result lost; // sticky
static int retained;
static thread_local int context;
static Kernel *kernels;

void registerKernel(Kernel *k) {
	k->next = kernels;
	kernels = k;
}

__attribute__((constructor)) static void start() {
	settings = usual;
	arenaBytes = 1ull << 36;
	arena = (u64)mmap(0, arenaBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	valid = (unsigned short *)mmap(0, (arenaBytes >> pageBits) * sizeof *valid, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

EXPORT Result emulate(const char *setting) {
	Lock l;
	char name[32];
	long long n;
	if (sscanf(setting, "%31[a-z]=%lld", name, &n) != 2) {
		settings = usual;
		lost = OK;
		return OK;
	}
	if (!strcmp(name, "memory")) settings.memory = n;
	else if (!strcmp(name, "lost")) settings.lost = n;
	else if (!strcmp(name, "version")) settings.version = n;
	else if (!strcmp(name, "count")) settings.count = n;
	else if (!strcmp(name, "init")) settings.init = n;
	else if (!strcmp(name, "capability")) settings.capability = n;
	else return INVALID;
	return OK;
}

// Memory. Ranges are never used twice, with a page between them that is not valid.

struct Range {
	u64 address, size;
	bool device;
	Range *next;
};
static Range *ranges;
static u64 nextPage = 1, taken;

static Result allocate(u64 *address, u64 size, bool device) {
	if (size == 0) return INVALID;
	if (device && taken + size > (u64)settings.memory) return OUT_OF_MEMORY;
	const u64 pages = (size + pageBytes - 1) >> pageBits;
	if ((nextPage + pages + 1) << pageBits > arenaBytes) return OUT_OF_MEMORY;
	const u64 at = arena + (nextPage << pageBits);
	if (mprotect((void *)at, pages << pageBits, PROT_READ | PROT_WRITE)) return OUT_OF_MEMORY;
	if (size <= (64 << 20)) memset((void *)at, 0xff, size); // NaN: what was never written shows
	for (u64 i = 0; i < pages; i++) valid[nextPage + i] = (i + 1) << pageBits <= size ? pageBytes : size & (pageBytes - 1);
	nextPage += pages + 1;
	if (device) taken += size;
	ranges = new Range{at, size, device, ranges};
	*address = at;
	return OK;
}

static Result release(u64 address, bool device) {
	for (Range **r = &ranges; *r; r = &(*r)->next) {
		if ((*r)->address != address || (*r)->device != device) continue;
		Range *gone = *r;
		*r = gone->next;
		const u64 first = (address - arena) >> pageBits, pages = (gone->size + pageBytes - 1) >> pageBits;
		for (u64 i = 0; i < pages; i++) valid[first + i] = 0;
		mmap((void *)address, pages << pageBits, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
		if (device) taken -= gone->size;
		delete gone;
		return OK;
	}
	return INVALID;
}

static bool holds(u64 address, u64 size) {
	for (Range *r = ranges; r; r = r->next)
		if (address >= r->address && size <= r->size && address - r->address <= r->size - size) return true;
	return false;
}

// Streams.

struct Event {
	bool due; // recorded, not reached yet
};

struct Work {
	enum { run, copy, record } what;
	const Kernel *kernel;
	u32 constants[10], gx, gy, threads;
	unsigned char args[128];
	u64 dst, src, size;
	Event *event;
	Work *next;
};

struct Stream {
	Work *first, **last;
	Stream *next;
};
static Stream *streams;

static Result lose(Result r, const char *why) {
	fprintf(stderr, "emulated CUDA device: %s\n", why);
	return lost = r;
}

// drain does a stream's work, up to an event where one is given.
static Result drain(Stream *s, Event *until) {
	while (s->first && (!until || until->due)) {
		Work *w = s->first;
		if (!(s->first = w->next)) s->last = &s->first;
		if (lost == OK) {
			if (w->what == Work::run) {
				if (settings.lost == 0) lost = LAUNCH_FAILED;
				else if (const char *why = runLaunch(w->kernel, w->args, w->constants, w->gx, w->gy, w->threads)) lose(ILLEGAL_ADDRESS, why);
				if (settings.lost > 0) settings.lost--;
			} else if (w->what == Work::copy) {
				if (holds(w->dst, w->size) && holds(w->src, w->size)) memcpy((void *)w->dst, (void *)w->src, w->size);
				else lose(ILLEGAL_ADDRESS, "a copy from or to memory that is not allocated");
			}
		}
		if (w->what == Work::record) w->event->due = false;
		delete w;
	}
	return lost;
}

static Result drainAll() {
	for (Stream *s = streams; s; s = s->next) drain(s, 0);
	return lost;
}

static Result give(Stream *s, Work *w) {
	w->next = 0;
	*s->last = w;
	s->last = &w->next;
	return OK;
}

// READY begins every function that needs a context.
#define READY()                                   \
	Lock lock;                                    \
	if (!initialised) return NOT_INITIALIZED;     \
	if (!context || !retained) return INVALID_CONTEXT; \
	if (lost != OK) return lost

EXPORT Result cuInit(u32) {
	Lock l;
	initialised = settings.init == 0;
	return (Result)settings.init;
}
EXPORT Result cuDriverGetVersion(int *v) { return *v = (int)settings.version, OK; }
EXPORT Result cuDeviceGetCount(int *n) { return *n = (int)settings.count, OK; }
EXPORT Result cuDeviceGet(int *d, int i) { return *d = i, i < settings.count ? OK : INVALID; }
EXPORT Result cuDeviceGetName(char *name, int n, int) { return snprintf(name, n, "emulated CUDA device"), OK; }
EXPORT Result cuDeviceTotalMem_v2(size_t *n, int) { return *n = settings.memory, OK; }
EXPORT Result cuDeviceGetAttribute(int *v, int which, int) {
	switch (which) {
	case 10: *v = 32; break; // lanes of a warp
	case 18: *v = 0; break;  // integrated
	case 41: *v = 1; break;  // one address space
	case 75: *v = (int)settings.capability / 10; break;
	case 76: *v = (int)settings.capability % 10; break;
	default: return INVALID;
	}
	return OK;
}
EXPORT Result cuDevicePrimaryCtxRetain(void **c, int) {
	Lock l;
	if (lost != OK) return lost;
	retained++;
	*c = &retained;
	return OK;
}
EXPORT Result cuDevicePrimaryCtxRelease_v2(int) {
	Lock l;
	retained--;
	return OK;
}
EXPORT Result cuCtxSetCurrent(void *c) { return context = c != 0, OK; }
EXPORT Result cuCtxSynchronize() {
	READY();
	return drainAll();
}
EXPORT Result cuMemGetInfo_v2(size_t *free, size_t *total) {
	READY();
	*free = settings.memory - taken;
	*total = settings.memory;
	return OK;
}
EXPORT Result cuMemAlloc_v2(u64 *p, size_t n) {
	READY();
	return allocate(p, n, true);
}
EXPORT Result cuMemFree_v2(u64 p) {
	Lock l;
	drainAll();
	return release(p, true);
}
EXPORT Result cuMemHostAlloc(void **p, size_t n, u32) {
	READY();
	return allocate((u64 *)p, n, false);
}
EXPORT Result cuMemFreeHost(void *p) {
	Lock l;
	drainAll();
	return release((u64)p, false);
}
EXPORT Result cuStreamCreate(Stream **s, u32) {
	READY();
	*s = new Stream{0, 0, streams};
	(*s)->last = &(*s)->first;
	streams = *s;
	return OK;
}
EXPORT Result cuStreamDestroy_v2(Stream *s) {
	Lock l;
	drain(s, 0);
	for (Stream **p = &streams; *p; p = &(*p)->next)
		if (*p == s) {
			*p = s->next;
			break;
		}
	delete s;
	return OK;
}
EXPORT Result cuStreamSynchronize(Stream *s) {
	READY();
	return drain(s, 0);
}
EXPORT Result cuEventCreate(Event **e, u32) {
	READY();
	*e = new Event{false};
	return OK;
}
EXPORT Result cuEventDestroy_v2(Event *e) {
	Lock l;
	drainAll();
	delete e;
	return OK;
}
EXPORT Result cuEventRecord(Event *e, Stream *s) {
	READY();
	e->due = true;
	Work *w = new Work();
	w->what = Work::record;
	w->event = e;
	return give(s, w);
}
EXPORT Result cuEventSynchronize(Event *e) {
	READY();
	for (Stream *s = streams; s && e->due; s = s->next) {
		bool here = false;
		for (Work *w = s->first; w; w = w->next) here = here || (w->what == Work::record && w->event == e);
		if (here) drain(s, e);
	}
	return lost;
}
EXPORT Result cuMemcpyAsync(u64 dst, u64 src, size_t n, Stream *s) {
	READY();
	Work *w = new Work();
	w->what = Work::copy;
	w->dst = dst;
	w->src = src;
	w->size = n;
	return give(s, w);
}

// A module is PTX text for one kernel, whose constants stand in its first line:
// "// NAME constants 64 12 …".
struct Module {
	char name[64];
	u32 constants[10];
	Kernel *kernel;
};

EXPORT Result cuModuleLoadDataEx(Module **m, const char *ptx, u32, int *, void **) {
	READY();
	Module *made = new Module();
	u32 *c = made->constants;
	int used = 0;
	if (sscanf(ptx, "// %63s constants %u %u %u %u %u %u %u %u %u %u%n", made->name, c, c + 1, c + 2, c + 3, c + 4, c + 5, c + 6, c + 7, c + 8, c + 9, &used) != 11) return INVALID_IMAGE;
	char entry[96];
	snprintf(entry, sizeof entry, ".entry %s(", made->name);
	if (!strstr(ptx, entry) || !strstr(ptx, ".version ") || strstr(ptx, "CONSTANT_")) return INVALID_PTX;
	*m = made;
	return OK;
}
EXPORT Result cuModuleUnload(Module *m) {
	Lock l;
	drainAll();
	delete m;
	return OK;
}
EXPORT Result cuModuleGetFunction(Module **f, Module *m, const char *name) {
	READY();
	if (strcmp(name, m->name)) return NOT_FOUND;
	for (m->kernel = kernels; m->kernel && strcmp(m->kernel->name, name);) m->kernel = m->kernel->next;
	*f = m;
	return m->kernel ? OK : NOT_FOUND;
}
EXPORT Result cuLaunchKernel(Module *f, u32 gx, u32 gy, u32 gz, u32 bx, u32 by, u32 bz, u32 shared, Stream *s, void **args, void **) {
	READY();
	if (gx == 0 || gy == 0 || gy > 65535 || gz != 1 || by != 1 || bz != 1 || shared != 0 || f->kernel->bytes > 128) return INVALID;
	Work *w = new Work();
	w->what = Work::run;
	w->kernel = f->kernel;
	w->gx = gx;
	w->gy = gy;
	w->threads = bx;
	memcpy(w->constants, f->constants, sizeof w->constants);
	memcpy(w->args, args[0], f->kernel->bytes);
	return give(s, w);
}
