"""Writes published.json.gz: chat templates as their models are published with
them, and what jinja2 renders of conversations, set up as transformers sets it
up. Run in this folder with the folder models/templates of llama.cpp, which the
source package of llama-cpp-python on PyPI holds under vendor/llama.cpp:

    python3 make_published.py TEMPLATES

Made with jinja2 3.1.6 and llama-cpp-python 0.3.36. The templates are their
models': Apache 2.0 (Qwen, SmolLM3, gpt-oss, Seed-OSS, Ministral, Gemma 4,
Granite) and MIT (DeepSeek, GLM)."""

import datetime
import gzip
import io
import json
import pathlib
import sys

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

NAMES = [
    "ByteDance-Seed-OSS", "GLM-4.6", "GLM-4.7-Flash", "HuggingFaceTB-SmolLM3-3B", "Qwen-Qwen2.5-7B-Instruct", "Qwen-Qwen3-0.6B",
    "Qwen3-Coder", "Qwen3.5-4B", "deepseek-ai-DeepSeek-R1-Distill-Llama-8B", "deepseek-ai-DeepSeek-V3.1", "google-gemma-4-31B-it",
    "ibm-granite-granite-3.3-2B-Instruct", "ibm-granite-granite-4.0", "mistralai-Ministral-3-14B-Reasoning-2512", "openai-gpt-oss-120b",
]
DATE = datetime.datetime(2024, 7, 26, 12, 0, 0)
USER = {"role": "user", "content": "Where is the key?"}
CONVERSATIONS = {
    "user": [USER],
    "system": [{"role": "system", "content": "Answer in a word."}, USER],
    "two turns": [USER, {"role": "assistant", "content": "Under the mat."}, {"role": "user", "content": " And\nthe lamp? "}],
    "a thought": [USER, {"role": "assistant", "content": "Under the mat.", "reasoning_content": "The text says so.", "thinking": "The text says so."}, USER],
    "a thought in the text": [USER, {"role": "assistant", "content": "<think>\nIt says so.\n</think>\n\nUnder the mat."}, USER],
    "assistant last": [USER, {"role": "assistant", "content": "Under"}],
}
VARIABLES = [{}, {"enable_thinking": False}, {"enable_thinking": True}, {"thinking": False}, {"thinking": True}, {"reasoning_effort": "low"}, {"thinking_budget": 0}, {"thinking_budget": 512}]


def dumps(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def fail(message):
    raise jinja2.exceptions.TemplateError(message)


def render(template, messages, prompt, variables):
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])
    env.filters["tojson"] = dumps
    env.globals["raise_exception"] = fail
    env.globals["strftime_now"] = DATE.strftime
    try:
        return env.from_string(template).render(messages=messages, tools=None, documents=None, add_generation_prompt=prompt, bos_token="<s>", eos_token="</s>", **variables)
    except (jinja2.exceptions.TemplateError, TypeError):
        return None


def main():
    out = []
    for name in NAMES:
        template = (pathlib.Path(sys.argv[1]) / (name + ".jinja")).read_text()
        cases = []
        for variables in VARIABLES:
            if variables and next(iter(variables)) not in template:
                continue
            for conversation, messages in CONVERSATIONS.items():
                if variables and conversation not in ("user", "a thought"):
                    continue
                prompt = conversation != "assistant last"
                cases.append({"conversation": conversation, "variables": variables, "prompt": prompt, "text": render(template, messages, prompt, variables)})
        out.append({"name": name, "template": template, "cases": cases})
    raw = io.BytesIO()
    with gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as f:
        f.write(json.dumps({"conversations": CONVERSATIONS, "templates": out}, ensure_ascii=False, indent=1).encode())
    pathlib.Path("published.json.gz").write_bytes(raw.getvalue())
    print(len(out), "templates,", sum(len(t["cases"]) for t in out), "renderings,", len(raw.getvalue()), "bytes")


if __name__ == "__main__":
    main()
