// Kernels that break a rule each, and a right one; main runs them and prints
// what the emulated device says.
#include "../kernels/kernel.h"
#include "../emulator/groups.h"
#include <stdio.h>

u64 arena, arenaBytes;
unsigned short *valid;
static Kernel *kernels;
void registerKernel(Kernel *k) {
	k->next = kernels;
	kernels = k;
}

struct Args {
	Floats x;
};
SHARED(float, s, 64);

KERNEL(readsTooEarly, Args, 64) {
	s[THREAD] = 1.0f;
	float y = s[(THREAD + 1u) % 64u];
	s[THREAD] = y;
}
KERNEL(writesWhatOthersRead, Args, 64) {
	s[THREAD] = 1.0f;
	BARRIER();
	float y = s[63u - THREAD];
	s[THREAD] = y;
}
KERNEL(writesTwice, Args, 64) { s[0] = (float)THREAD; }
KERNEL(neverWritten, Args, 64) { s[THREAD] = s[THREAD] + 1.0f; }
KERNEL(outsideOfShared, Args, 64) { s[THREAD + 1u] = 1.0f; }
KERNEL(outsideOfMemory, Args, 64) { p.x[4] = 1.0f; }
KERNEL(leavesEarly, Args, 64) {
	if (THREAD == 3u) return;
	BARRIER();
}
KERNEL(parts, Args, 64) {
	if (THREAD < 32u) {
		BARRIER();
	} else {
		BARRIER();
	}
}
KERNEL(right, Args, 64) {
	s[THREAD] = (float)THREAD;
	BARRIER();
	float y = s[63u - THREAD];
	BARRIER();
	s[THREAD] = y;
}

int main() {
	static unsigned short pages[1];
	static float memory[4] __attribute__((aligned(4096)));
	arena = (u64)memory;
	arenaBytes = pageBytes;
	valid = pages;
	pages[0] = sizeof memory;
	Args a = {{arena}};
	u32 constants[10] = {};
	Kernel *order[16];
	int n = 0;
	for (Kernel *k = kernels; k; k = k->next) order[n++] = k;
	while (n-- > 0) {
		const char *said = runLaunch(order[n], &a, constants, 1, 1, 64);
		const char *at = said ? strstr(said, "0x") : 0; // an address differs each time
		if (at) printf("%.*s…\n", (int)(at - said), said);
		else printf("%s\n", said ? said : "right: nothing");
	}
}
