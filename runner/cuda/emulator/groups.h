#pragma once
// runLaunch runs a kernel's groups one after the other; the result says what
// went wrong, 0: nothing.
const char *runLaunch(const Kernel *k, const void *args, const u32 constants[10], u32 gx, u32 gy, u32 threads);
