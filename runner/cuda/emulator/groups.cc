// Groups of threads: each thread is a fiber that runs to its next barrier.
#include "../kernels/kernel.h"
#include "groups.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

Launch launch;

static const u32 most = 1024, stackBytes = 128 << 10;

enum State { running, waiting, ended };

static struct Fiber {
	jmp_buf place;
	bool made;
	State state;
	u32 line; // of the barrier
} fibers[most];

static jmp_buf scheduler, launcher;
static const Kernel *kernel;
static const void *arguments;
static char message[512];

static void leave(State s) {
	Fiber &f = fibers[launch.thread];
	f.state = s;
	const u32 thread = launch.thread;
	if (_setjmp(f.place) == 0) _longjmp(scheduler, 1);
	launch.thread = thread;
}

void barrier(u32 line) {
	fibers[launch.thread].line = line;
	leave(waiting);
}

static void live() {
	for (;;) {
		kernel->run(arguments);
		leave(ended);
	}
}

static void resume(u32 t) {
	Fiber &f = fibers[t];
	launch.thread = t;
	f.state = running;
	if (_setjmp(scheduler) != 0) return;
	if (f.made) _longjmp(f.place, 1);
	f.made = true;
	static ucontext_t c;
	getcontext(&c);
	c.uc_stack.ss_sp = mmap(0, stackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	c.uc_stack.ss_size = stackBytes;
	makecontext(&c, live, 0);
	setcontext(&c);
}

void fault(const char *format, ...) {
	const int n = snprintf(message, sizeof message, "%s, group %u,%u, thread %u: ", kernel->name, launch.groupX, launch.groupY, launch.thread);
	va_list list;
	va_start(list, format);
	vsnprintf(message + n, sizeof message - n, format, list);
	va_end(list);
	for (Fiber &f : fibers) f.made = false; // what they held is given up
	_longjmp(launcher, 1);
}

void outside(u64 address, u32 size, const char *what) {
	fault("%u bytes at %#llx, which is %s, are outside of all memory or not aligned", size, address, what);
}

static void runGroup(u32 threads) {
	launch.group++;
	launch.epoch++;
	for (u32 t = 0; t < threads; t++) fibers[t].state = waiting;
	for (;;) {
		u32 at = 0, left = 0;
		for (u32 t = 0; t < threads; t++) {
			resume(t);
			if (fibers[t].state == ended) left++;
		}
		if (left == threads) return;
		if (left > 0) fault("%u of %u threads ended before a barrier that the others wait at", left, threads);
		for (u32 t = 0; t < threads; t++) {
			if (at != 0 && fibers[t].line != at) fault("threads wait at the barriers of lines %u and %u", at, fibers[t].line);
			at = fibers[t].line;
		}
		launch.epoch++;
	}
}

const char *runLaunch(const Kernel *k, const void *args, const u32 constants[10], u32 gx, u32 gy, u32 threads) {
	kernel = k;
	arguments = args;
	launch.threads = threads;
	launch.groupsX = gx;
	memcpy(launch.constants, constants, sizeof launch.constants);
	if (threads > k->threads) {
		snprintf(message, sizeof message, "%s: %u threads, at most %u", k->name, threads, k->threads);
		return message;
	}
	if (_setjmp(launcher) != 0) return message;
	for (launch.groupY = 0; launch.groupY < gy; launch.groupY++)
		for (launch.groupX = 0; launch.groupX < gx; launch.groupX++) runGroup(threads);
	return 0;
}
