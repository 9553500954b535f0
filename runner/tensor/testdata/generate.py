"""Makes dequantize.json.gz: random blocks of every format and their values.

Run from this folder: python3 generate.py
Needs: pip install gguf ml_dtypes (made with gguf 0.19.0, numpy 2.4.6, ml_dtypes 0.5).
Values come from gguf.quants.dequantize; F8_E4M3 from ml_dtypes.float8_e4m3fn.
"""

import base64
import gzip
import json

import ml_dtypes
import numpy as np
from gguf import GGMLQuantizationType as Q
from gguf.constants import GGML_QUANT_SIZES
from gguf import quants
from gguf.quants import dequantize

# Where the half-precision scales lie in a block.
SCALES = {
    Q.Q4_0: [0], Q.Q4_1: [0, 2], Q.Q5_0: [0], Q.Q5_1: [0, 2], Q.Q8_0: [0],
    Q.Q2_K: [80, 82], Q.Q3_K: [108], Q.Q4_K: [0, 2], Q.Q5_K: [0, 2], Q.Q6_K: [208],
    Q.IQ4_NL: [0], Q.IQ4_XS: [0], Q.TQ1_0: [52], Q.TQ2_0: [64], Q.MXFP4: [],
    Q.IQ2_XXS: [0], Q.IQ2_XS: [0], Q.IQ2_S: [0], Q.IQ3_XXS: [0], Q.IQ3_S: [0], Q.IQ1_S: [0], Q.IQ1_M: [],
}


def f32(values):
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()


def case(name, data, values):
    return {"type": name, "data": base64.b64encode(data).decode(), "values": f32(values)}


def write_grids():
    """../grids.bin: the codebooks of the IQ1 to IQ3 formats."""
    with open("../grids.bin", "wb") as out:
        for kind in (quants.IQ2_XXS, quants.IQ2_XS, quants.IQ2_S, quants.IQ3_XXS, quants.IQ3_S, quants.IQ1_S):
            kind.init_grid()
            out.write(kind.grid.reshape(-1).astype(np.int8).tobytes())


def main():
    write_grids()
    rng = np.random.default_rng(20240611)
    cases = []
    for kind, places in SCALES.items():
        size = GGML_QUANT_SIZES[kind][1]
        blocks = rng.integers(0, 256, (6, size), dtype=np.uint8)
        for place in places:
            scale = rng.normal(0, 0.05, 6).astype(np.float16)
            scale[1] = np.float16(-3.1e-6)  # a subnormal half
            scale[2] = np.float16(0)
            scale[3] = np.float16(6.0e-8)  # the smallest half
            blocks[:, place:place + 2] = scale.view(np.uint8).reshape(6, 2)
        if kind == Q.IQ1_M:  # its half lies in the high nibbles of four numbers
            blocks[:, 55] = blocks[:, 55] & 0x0F | np.array([0x20, 0xA0, 0, 0, 0x30, 0x20], np.uint8)
        cases.append(case(kind.name, blocks.tobytes(), dequantize(blocks.reshape(1, -1), kind)))

    # Finite values of the plain formats.
    floats = np.concatenate([rng.normal(0, 1, 40), [0, -0.0, 1e-40, -3e38]]).astype(np.float32)
    cases.append(case("F32", floats.tobytes(), dequantize(floats.view(np.uint8), Q.F32)))
    halves = np.concatenate([np.arange(0, 64), rng.integers(0, 1 << 16, 400)]).astype(np.uint16)
    halves = halves[np.isfinite(halves.view(np.float16))]
    cases.append(case("F16", halves.tobytes(), dequantize(halves.view(np.uint8), Q.F16)))
    brains = rng.integers(0, 1 << 16, 400).astype(np.uint16)
    brains = brains[(brains & 0x7F80) != 0x7F80]
    cases.append(case("BF16", brains.tobytes(), dequantize(brains.view(np.uint8), Q.BF16)))
    eights = np.array([i for i in range(256) if i & 0x7F != 0x7F], dtype=np.uint8)
    cases.append(case("F8_E4M3", eights.tobytes(), eights.view(ml_dtypes.float8_e4m3fn).astype(np.float32)))

    scaled = [(np.float32(s), rng.choice(eights, 128)) for s in rng.normal(0, 0.05, 4)]
    cases.append(case("F8_E4M3x128", b"".join(s.tobytes() + c.tobytes() for s, c in scaled),
                      np.concatenate([c.view(ml_dtypes.float8_e4m3fn).astype(np.float32) * s for s, c in scaled])))

    # float32 → binary16 and bfloat16, ties, overflow and subnormals included.
    anchors = np.array([0, -0.0, 65504, 65519.996, 65520, -65520, 1e9, np.inf, -np.inf,
                        2**-14, 2**-24, 2**-25, 2**-25 * 1.0001, 3 * 2**-25, 1e-30,
                        1 + 2**-11, 1 + 3 * 2**-11, 1 + 2**-8, 1 + 3 * 2**-8, 3.3895314e38, 3.4e38], dtype=np.float32)
    spread = (rng.normal(0, 1, 300) * 2.0 ** rng.uniform(-27, 17, 300)).astype(np.float32)
    values = np.concatenate([anchors, spread])
    with np.errstate(over="ignore"):
        f16 = values.astype(np.float16).view(np.uint16)
    bf16 = values.astype(ml_dtypes.bfloat16).view(np.uint16)
    rounding = {"values": f32(values), "f16": f16.tolist(), "bf16": bf16.tolist()}

    text = json.dumps({"cases": cases, "rounding": rounding})
    with open("dequantize.json.gz", "wb") as out:
        out.write(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main()
