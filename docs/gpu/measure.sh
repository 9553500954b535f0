#!/bin/sh
# Checks and measures headprof on a GPU, in one go, from the repository's root:
#
#     docs/gpu/measure.sh [gpu:N] [FOLDER]
#
# gpu:N is a device of `headprof devices` (default gpu:0): an NVIDIA card through
# CUDA, or any through Vulkan; run it once for each that the list has. FOLDER holds
# smollm2.gguf and gemma3-270m.gguf (default: $HEADPROF_MODELS) and receives
# random-7b.gguf (4 GB, made once). Needs Go; PyTorch with CUDA, transformers,
# gguf and accelerate are used where they are. Output goes to gpu-report.txt.
set -u
device=${1:-gpu:0}
models=${2:-${HEADPROF_MODELS:?name the folder of the models}}
report=gpu-report.txt
go build -o headprof-gpu ./cmd/headprof || exit 1

measure() {
	echo "== devices"
	./headprof-gpu devices

	echo "== tests on $device: operations, families, reference trials"
	HEADPROF_ALL_TRIALS=1 HEADPROF_TEST_GPU=${device#gpu:} HEADPROF_MODELS=$models go test -count=1 -timeout 60m ./runner/gpu

	[ -f "$models/random-7b.gguf" ] || go run ./runner/gpu/synthetic -tokenizer "$models/smollm2.gguf" -out "$models/random-7b.gguf"
	for model in smollm2 random-7b; do
		for math in f32 f16 cooperative; do # cooperative is refused where there is none
			echo "== $model, $math, $device"
			./headprof-gpu bench --model "$models/$model.gguf" --device "$device" --gpu-math $math --cache-type f16 --tokens 2048,8000 --repeat 3
		done
	done

	echo "== the same scores from CPU and GPU (the built-in model)"
	./headprof-gpu score --device cpu --out gpu-report-cpu >/dev/null && ./headprof-gpu score --device "$device" --out gpu-report-gpu >/dev/null &&
		./headprof-gpu compare gpu-report-cpu gpu-report-gpu

	echo "== PyTorch on the same card, eager and SDPA, float32 and bfloat16"
	if python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
		python3 docs/gpu/torch_prefill.py --gguf "$models/smollm2.gguf" --tokens 2048,8000
		python3 docs/gpu/torch_prefill.py --tokens 2048,8000
	else
		echo "no PyTorch with CUDA here"
	fi
}

measure 2>&1 | tee "$report"
