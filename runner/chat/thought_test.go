package chat_test

import (
	"strings"
	"testing"

	"headprof/runner/chat"
)

// Outputs as models of each kind write them, a token an entry; <eos> ends one.
// Steps and answers are counted by hand.
func TestThoughtAndAnswerOfAnOutput(t *testing.T) {
	templates := map[string]string{}
	for _, c := range readPublished(t).Templates {
		templates[c.Name] = c.Template
	}
	const qwen, r1, oss, gemma, ministral = "Qwen-Qwen3-0.6B", "deepseek-ai-DeepSeek-R1-Distill-Llama-8B", "openai-gpt-oss-120b", "google-gemma-4-31B-it", "mistralai-Ministral-3-14B-Reasoning-2512"
	for name, c := range map[string]struct {
		model    string
		limit    int
		tokens   string // by ¦
		from, to int    // of the thought itself
		answer   string // what remains of it; "-": cut off
	}{
		"a block":                   {qwen, 9, "<think>¦\n¦So¦.¦\n¦</think>¦\n\n¦Un¦der", 1, 5, "Under"},
		"marks of several tokens":   {qwen, 9, "<¦think¦>\n¦So¦</¦think¦>\n\n¦ Un¦der", 3, 4, " Under"},
		"a mark within a token":     {qwen, 9, "<think>\n¦So</think>\nUn¦der", 1, 1, "\nUnder"},
		"an empty block":            {qwen, 9, "<think>¦\n\n¦</think>¦\n\n¦Under", 1, 2, "Under"},
		"no thought":                {qwen, 9, "Un¦der", 0, 0, "Under"},
		"no thought, white space":   {qwen, 9, "\n¦Un¦der", 0, 0, "\nUnder"},
		"no thought, nearly a mark": {qwen, 9, "<¦thin¦g>", 0, 0, "<thing>"},
		"the closing mark alone":    {qwen, 9, "</think>¦Under", 0, 0, "Under"},
		"no answer":                 {qwen, 9, "<think>¦So¦</think>¦<eos>", 1, 2, "<eos>"},
		"white space alone":         {qwen, 3, "<think>¦</think>¦\n¦\n¦\n¦\n¦\n¦\n¦\n¦\n¦\n¦\n", 1, 1, "\n\n"},
		"just in time":              {qwen, 3, "<think>¦So¦</think>¦Under", 1, 2, "Under"},
		"a token too late":          {qwen, 2, "<think>¦So¦</think>¦Under", 1, 2, "-"},
		"ended in its thought":      {qwen, 9, "<think>¦So¦<eos>", 1, 3, "-"},
		"begun by the template":     {r1, 9, "So¦.¦\n</think>¦\n\n¦Under", 0, 2, "Under"},
		"another mark is text":      {qwen, 9, "<think>¦[/THINK]¦</think>¦Under", 1, 2, "Under"},
		"channels":                  {oss, 20, "<|channel|>¦analysis¦<|message|>¦So¦<|end|>¦<|start|>¦assistant¦<|channel|>¦final¦<|message|>¦Under¦<|return|>", 3, 7, "Under<|return|>"},
		"channels, no analysis":     {oss, 20, "<|channel|>¦final¦<|message|>¦Under", 0, 0, "Under"},
		"channels, cut off":         {oss, 5, "<|channel|>¦analysis¦<|message|>¦So¦<|end|>¦<|start|>", 3, 5, "-"},
		"gemma's channel":           {gemma, 9, "<|channel>¦thought¦\n¦So¦<channel|>¦Under", 3, 4, "Under"},
		"square brackets":           {ministral, 9, "[THINK]¦So¦[/THINK]¦Under", 1, 2, "Under"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := chat.Wrap(templates[c.model], "<s>", "</s>", nil, chat.Think{Tokens: c.limit})
			if err != nil {
				t.Fatal(err)
			}
			tokens := strings.Split(c.tokens, "¦")
			th := f.Thinking.Read(c.limit)
			var answer strings.Builder
			cut := false
			for _, token := range tokens {
				end := token == "<eos>" || token == "<|end|>" || token == "<|return|>"
				_, over := th.Next(token, end)
				if cut = over; over {
					break
				}
			}
			step, skip, ok := th.Answer()
			if ok == cut {
				t.Fatalf("answer %v, cut off %v", ok, cut)
			}
			if ok {
				answer.WriteString(strings.Join(tokens[step:], "")[skip:])
			} else {
				answer.WriteString("-")
			}
			if got := answer.String(); got != c.answer {
				t.Errorf("the answer is %q, want %q", got, c.answer)
			}
			if from, to := th.Steps(); from != c.from || to != c.to {
				t.Errorf("the thought is [%d, %d), want [%d, %d)", from, to, c.from, c.to)
			}
		})
	}
}

func TestParseThink(t *testing.T) {
	for text, want := range map[string]chat.Think{"off": {}, "template": {AsTemplate: true}, "1": {Tokens: 1}, "32768": {Tokens: 32768}} {
		if got, err := chat.ParseThink(text); err != nil || got != want || got.String() != text {
			t.Errorf("%s: %+v (%s), %v", text, got, got, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "32769", "on", "1.5", "Off"} {
		if _, err := chat.ParseThink(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

// A switch that the user sets stays.
func TestTheUsersSwitchStays(t *testing.T) {
	var template string
	for _, c := range readPublished(t).Templates {
		if c.Name == "Qwen-Qwen3-0.6B" {
			template = c.Template
		}
	}
	f, err := chat.Wrap(template, "", "", chat.Variables{"enable_thinking": true}, chat.Think{})
	if err != nil || !strings.HasSuffix(f.After, "assistant\n<think>\n\n</think>\n\n") || !f.Thinking.Block {
		t.Errorf("enable_thinking=true, off: %+v, %v", f, err)
	}
	if _, err := chat.Wrap(template, "", "", chat.Variables{"enable_thinking": false}, chat.Think{Tokens: 9}); err == nil || !strings.Contains(err.Error(), "ends every thought at once") {
		t.Errorf("enable_thinking=false, on: %v", err)
	}
	if _, err := chat.Wrap(template, "", "", chat.Variables{"no_such": false}, chat.Think{}); err == nil || !strings.Contains(err.Error(), "--chat-var no_such") {
		t.Errorf("a variable that is not read: %v", err)
	}
}
