// What all shaders share: buffers by address and half-precision numbers.
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_EXT_control_flow_attributes : require

layout(buffer_reference, std430, buffer_reference_align = 4) buffer Floats { float at[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) buffer Words { uint at[]; };

layout(local_size_x_id = 0) in;

// A null address stands for an absent argument.
#define ABSENT(p) (uvec2(p) == uvec2(0))

// half is binary16 bits as a float, exactly: subnormals too, whatever the
// device does with them. Infinity becomes 65536.
float half_(uint h) {
	uint sign = (h & 0x8000u) << 16, rest = h & 0x7fffu;
	uint bits = (rest & 0x7c00u) == 0u ? floatBitsToUint(float(rest) * 5.9604644775390625e-8) : (rest << 13) + 0x38000000u;
	return uintBitsToFloat(bits | sign);
}

// toHalf rounds to the nearest binary16, ties to even; what is too large
// becomes the largest finite one.
uint toHalf(float f) {
	uint bits = floatBitsToUint(f), sign = (bits >> 16) & 0x8000u, a = bits & 0x7fffffffu;
	if (a >= 0x477ff000u) return sign | 0x7bffu;
	if (a < 0x38800000u) {
		// Subnormal: the sum's own rounding cuts at 2^-24.
		precise float s = uintBitsToFloat(a) + 0.5;
		return sign | ((floatBitsToUint(s) - 0x3f000000u) & 0xffffu);
	}
	return sign | ((a - 0x38000000u + 0xfffu + ((a >> 13) & 1u)) >> 13);
}

// index is the invocation's number in a dispatch spread over two dimensions.
uint index() {
	return (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
}
