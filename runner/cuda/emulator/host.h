// What kernels see on the emulated device: memory whose every access is
// checked, barriers, and the launch's numbers.
#pragma once
#include <math.h>
#include <string.h>

#define DEVICE static inline __attribute__((always_inline))
#define TABLE static

// Launch is what the running thread knows of its launch.
struct Launch {
	u32 thread, threads, groupX, groupY, groupsX;
	u32 epoch; // counts barriers and groups
	u32 group; // counts groups
	u32 constants[10];
};
extern Launch launch;

#define THREAD launch.thread
#define THREADS launch.threads
#define GROUP_X launch.groupX
#define GROUP_Y launch.groupY
#define GROUPS_X launch.groupsX
#define CONSTANT(i) launch.constants[i]
#define BARRIER() barrier(__LINE__)

void barrier(u32 line);
// fault ends the launch with a message; the device is then lost.
[[noreturn]] void fault(const char *format, ...) __attribute__((format(printf, 1, 2)));
// outside reports an access to memory that no allocation holds.
[[noreturn]] void outside(u64 address, u32 size, const char *what);

// The device's memory is one range of addresses; valid has the number of bytes
// of each page that are allocated.
extern u64 arena, arenaBytes;
extern unsigned short *valid;
static const u32 pageBits = 12, pageBytes = 1u << pageBits;

static inline void checkAddress(u64 address, u32 size, const char *what) {
	const u64 at = address - arena;
	if (at >= arenaBytes || (at & (pageBytes - 1)) + size > valid[at >> pageBits] || address % size != 0) outside(address, size, what);
}

template <class T> struct GlobalElement {
	u64 address;
	operator T() const {
		checkAddress(address, sizeof(T), "read");
		return *(const T *)address;
	}
	GlobalElement &operator=(T x) {
		checkAddress(address, sizeof(T), "written");
		*(T *)address = x;
		return *this;
	}
	GlobalElement &operator=(const GlobalElement &x) { return *this = (T)x; }
};

template <class T> struct Global {
	u64 address;
	GlobalElement<T> operator[](u64 i) const { return {address + i * sizeof(T)}; }
};
typedef Global<float> Floats;
typedef Global<u32> Words;
#define ABSENT(p) ((p).address == 0)
#define AT(Pointer, at) (Pointer{at})

// Trace says who touched an element of shared memory last, and between which barriers.
struct Trace {
	u32 writeEpoch, writer, readEpoch, reader, group;
};
static const u32 several = 0xffffffffu;

template <class T> struct SharedElement {
	T *value;
	Trace *trace;
	const char *name;
	u32 index;
	operator T() const {
		if (trace->group != launch.group) fault("%s[%u] is read before the group wrote it", name, index);
		if (trace->writeEpoch == launch.epoch && trace->writer != launch.thread)
			fault("race: thread %u reads %s[%u], which thread %u wrote since the last barrier", launch.thread, name, index, trace->writer);
		if (trace->readEpoch != launch.epoch) {
			trace->readEpoch = launch.epoch;
			trace->reader = launch.thread;
		} else if (trace->reader != launch.thread) {
			trace->reader = several;
		}
		return *value;
	}
	SharedElement &operator=(T x) {
		if (trace->writeEpoch == launch.epoch && trace->writer != launch.thread)
			fault("race: threads %u and %u write %s[%u] without a barrier between", trace->writer, launch.thread, name, index);
		if (trace->readEpoch == launch.epoch && trace->reader != launch.thread)
			fault("race: thread %u writes %s[%u], which another read since the last barrier", launch.thread, name, index);
		trace->writeEpoch = launch.epoch;
		trace->writer = launch.thread;
		trace->group = launch.group;
		*value = x;
		return *this;
	}
	SharedElement &operator=(const SharedElement &x) { return *this = (T)x; }
};

template <class T, u32 n> struct Shared {
	T values[n];
	Trace traces[n];
	SharedElement<T> operator[](u32 i);
	const char *name;
};
template <class T, u32 n> inline SharedElement<T> Shared<T, n>::operator[](u32 i) {
	if (i >= n) fault("%s[%u] is outside of its %u elements", name, i, n);
	return {&values[i], &traces[i], name, i};
}
#define SHARED(T, name, n) static Shared<T, n> name = {{}, {}, #name}

// Kernel is one that can be launched.
struct Kernel {
	const char *name;
	u32 bytes, threads; // of arguments; of a group at most
	void (*run)(const void *args);
	Kernel *next;
};
void registerKernel(Kernel *k);

#define KERNEL(name, Args, threads)                                                   \
	static void name##Body(const Args &p);                                            \
	static void name##Run(const void *args) { name##Body(*(const Args *)args); }      \
	static Kernel name##Kernel = {#name, sizeof(Args), threads, name##Run, 0};        \
	__attribute__((constructor)) static void name##Register() { registerKernel(&name##Kernel); } \
	static void name##Body(const Args &p)

DEVICE float bitsToFloat(u32 x) {
	float f;
	memcpy(&f, &x, 4);
	return f;
}
DEVICE u32 floatToBits(float x) {
	u32 u;
	memcpy(&u, &x, 4);
	return u;
}
DEVICE float fma_(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
DEVICE float sqrt_(float x) { return __builtin_sqrtf(x); }
