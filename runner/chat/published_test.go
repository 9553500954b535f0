package chat_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"headprof/fixtures/reference"
	"headprof/runner/chat"
	"headprof/runner/chat/jinja"
)

// published.json.gz holds what jinja2 renders of models' own templates; see
// testdata/make_published.py.
type publishedFile struct {
	Conversations map[string]json.RawMessage
	Templates     []publishedTemplate
}

type publishedTemplate struct {
	Name, Template string
	Cases          []struct {
		Conversation string
		Variables    map[string]json.RawMessage
		Prompt       bool
		Text         *string // nil: it fails
	}
}

func readPublished(t testing.TB) publishedFile {
	t.Helper()
	var all publishedFile
	if err := json.Unmarshal(reference.Unzip(t, "testdata/published.json.gz"), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestPublishedTemplatesEqualJinja2(t *testing.T) {
	all := readPublished(t)
	value := func(raw json.RawMessage) jinja.Value {
		v, err := jinja.JSON(raw)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range all.Templates {
		template, err := jinja.Parse(c.Template, jinja.Default)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		for _, x := range c.Cases {
			variables := map[string]jinja.Value{
				"messages": value(all.Conversations[x.Conversation]), "add_generation_prompt": x.Prompt,
				"tools": nil, "documents": nil, "bos_token": "<s>", "eos_token": "</s>",
			}
			for name, raw := range x.Variables {
				variables[name] = value(raw)
			}
			text, err := template.Render(variables, jinja.Date(2024, time.July, 26, 12))
			switch {
			case x.Text == nil && err == nil:
				t.Errorf("%s, %s, %s: no error, jinja2 gives one", c.Name, x.Conversation, x.Variables)
			case x.Text != nil && err != nil:
				t.Errorf("%s, %s, %s: %v", c.Name, x.Conversation, x.Variables, err)
			case x.Text != nil && text != *x.Text:
				t.Errorf("%s, %s, %s:\n%q\njinja2:\n%q", c.Name, x.Conversation, x.Variables, text, *x.Text)
			}
		}
	}
}

// What stands before the answer, thinking off and on: read off the models' cards
// and templates by hand.
func TestThinkingOfPublishedTemplates(t *testing.T) {
	for name, want := range map[string]struct {
		off, on  string // how the frame ends
		how      string // switch, or block
		opened   bool
		thinking bool
	}{
		"Qwen-Qwen2.5-7B-Instruct": {"assistant\n", "", "", false, false},
		"Qwen3-Coder":              {"assistant\n", "", "", false, false},
		"ibm-granite-granite-4.0":  {"assistant<|end_of_role|>", "", "", false, false},
		"Qwen-Qwen3-0.6B":          {"assistant\n<think>\n\n</think>\n\n", "assistant\n", "enable_thinking=false", false, true},
		"Qwen3.5-4B":               {"assistant\n<think>\n\n</think>\n\n", "assistant\n<think>\n", "enable_thinking=false", true, true},
		"HuggingFaceTB-SmolLM3-3B": {"assistant\n<think>\n\n</think>\n", "assistant\n", "enable_thinking=false", false, true},
		"GLM-4.6":                  {"/nothink<|assistant|>\n<think></think>", "<|assistant|>", "enable_thinking=false", false, true},
		"GLM-4.7-Flash":            {"<|assistant|></think>", "<|assistant|><think>", "enable_thinking=false", true, true},
		"deepseek-ai-DeepSeek-R1-Distill-Llama-8B": {"<｜Assistant｜><think>\n\n</think>\n\n", "<｜Assistant｜><think>\n", "block", true, true},
		"deepseek-ai-DeepSeek-V3.1":                {"<｜Assistant｜><think></think>", "<｜Assistant｜><think>", "enable_thinking=false", true, true},
		"google-gemma-4-31B-it":                    {"<|turn>model\n<|channel>thought\n<channel|>", "<|turn>model\n", "enable_thinking=false", false, true},
		"ByteDance-Seed-OSS":                       {"</seed:cot_budget_reflect>\n</seed:think>", "<seed:bos>assistant\n", "thinking_budget=0", false, true},
		"ibm-granite-granite-3.3-2B-Instruct":      {"assistant<|end_of_role|>", "assistant<|end_of_role|>", "thinking=false", false, true},
		"mistralai-Ministral-3-14B-Reasoning-2512": {"[/INST][THINK][/THINK]", "[/INST]", "block", false, true},
		"openai-gpt-oss-120b":                      {"<|start|>assistant<|channel|>final<|message|>", "<|start|>assistant", "block", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			template := ""
			for _, c := range readPublished(t).Templates {
				if c.Name == name {
					template = c.Template
				}
			}
			off, err := chat.Wrap(template, "<s>", "</s>", nil, chat.Think{})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(off.After, want.off) {
				t.Errorf("off: %q, want the end %q", off.After, want.off)
			}
			on, err := chat.Wrap(template, "<s>", "</s>", nil, chat.Think{Tokens: 9})
			if !want.thinking {
				before, after, _ := chat.Frame(template, "<s>", "</s>", nil)
				if off.Thinking != nil || off.Before != before || off.After != after || !errors.Is(err, chat.ErrNoThinking) {
					t.Errorf("a template without thinking: %+v, %v", off, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(on.After, want.on) || on.Thinking.Opened != want.opened {
				t.Errorf("on: %q, opened %v; want the end %q, opened %v", on.After, on.Thinking.Opened, want.on, want.opened)
			}
			how := off.Thinking.Switch
			if off.Thinking.Block {
				how = "block"
			}
			if how != want.how {
				t.Errorf("turned off by %q, want %q", how, want.how)
			}
		})
	}
}
