package evaluate

import "strings"

// dataset is one of LongBench's tasks (arXiv 2308.14508, table 1 and appendix),
// or one of LooGLE's types of long-dependency questions (arXiv 2311.04939): how
// a prompt is made, how much is generated and how it is scored. Limits and
// metrics are LongBench's, and of LooGLE's types those of HeadKV's code (arXiv
// 2410.19258); the prompts say the same as theirs in other words.
type dataset struct {
	name      string
	maxTokens int // generated
	metric    metric
	// prompt holds {context} and {input}.
	prompt string
	// plain prompts are given without a chat template: examples to go on from,
	// and code.
	plain bool
	// oneLine outputs are judged by their first line.
	oneLine bool
}

var datasets = []dataset{
	{name: "narrativeqa", maxTokens: 128, metric: qaF1, prompt: `Below is a story, a novel or a film script, and a question about it. Answer with as few words as you can, a single phrase if possible, and explain nothing.

Story: {context}

Question: {input}

Short answer:`},
	{name: "qasper", maxTokens: 128, metric: qaF1, prompt: `Below is a scientific article and a question about it. Answer as briefly as you can, with one phrase or sentence. If the article does not hold the answer, write "unanswerable"; for a yes/no question write "yes", "no" or "unanswerable". Explain nothing.

Article: {context}

Question: {input}

Answer:`},
	{name: "multifieldqa_en", maxTokens: 64, metric: qaF1, prompt: `Read this text and answer the question about it in a few words, nothing more.

{context}

Question: {input}
Answer:`},
	{name: "multifieldqa_zh", maxTokens: 64, metric: qaF1Chinese, prompt: `阅读下面的文字，用中文简短地回答后面的问题，不要写别的内容。

{context}

问题：{input}
回答：`},
	{name: "hotpotqa", maxTokens: 32, metric: qaF1, prompt: severalPassages},
	{name: "2wikimqa", maxTokens: 32, metric: qaF1, prompt: severalPassages},
	{name: "musique", maxTokens: 32, metric: qaF1, prompt: severalPassages},
	{name: "dureader", maxTokens: 128, metric: rougeChinese, prompt: `根据下面的文章回答问题。

文章：{context}

问题：{input}
回答：`},
	{name: "gov_report", maxTokens: 512, metric: rougeL, prompt: `Here is a report by a government agency. Summarise it on one page.

Report:
{context}

Summary:`},
	{name: "qmsum", maxTokens: 512, metric: rougeL, prompt: `Here is the transcript of a meeting and a request about it. Answer the request in a few sentences.

Transcript:
{context}

Request: {input}
Answer:`},
	{name: "multi_news", maxTokens: 512, metric: rougeL, prompt: `Here are several news articles on one event. Summarise all of them together on one page.

Articles:
{context}

Summary:`},
	{name: "vcsum", maxTokens: 512, metric: rougeChinese, prompt: `下面是一次会议的记录，请写一段文字总结会议的内容。

会议记录：
{context}

会议总结：`},
	{name: "trec", maxTokens: 64, metric: classification, plain: true, oneLine: true, prompt: `Say what type each question is. The first ones are done already:

{context}
{input}`},
	{name: "triviaqa", maxTokens: 32, metric: qaF1, plain: true, oneLine: true, prompt: `Answer the question from the passage before it, with the answer alone. The first ones are done already.

{context}

{input}`},
	{name: "samsum", maxTokens: 128, metric: rougeL, plain: true, oneLine: true, prompt: `Summarise each conversation in a few short sentences. The first ones are done already.

{context}

{input}`},
	{name: "lsht", maxTokens: 64, metric: classification, plain: true, oneLine: true, prompt: `判断每条新闻的类别，前面几条已经做好。

{context}
{input}`},
	{name: "passage_count", maxTokens: 32, metric: count, prompt: `Some of the paragraphs below occur more than once. Count the different ones: how many paragraphs are left when repeated ones are removed?

{context}

Write the number alone, such as 1, 2 or 3.

The number of different paragraphs:`},
	{name: "passage_retrieval_en", maxTokens: 32, metric: retrieval, prompt: `Below are 30 numbered paragraphs and a summary of one of them. Which paragraph does the summary describe?

{context}

Summary:

{input}

Answer in the form "Paragraph 1", "Paragraph 2" and so on.

Answer:`},
	{name: "passage_retrieval_zh", maxTokens: 32, metric: retrieval, prompt: `下面是若干段文字和其中一段的摘要。摘要说的是哪一段？

{context}

摘要：

{input}

请用“段落1”、“段落2”这样的形式回答。

回答：`},
	{name: "comprehension_and_reasoning", maxTokens: 64, metric: qaF1, prompt: longText},
	{name: "computation", maxTokens: 32, metric: qaF1, prompt: longText},
	{name: "multiple_information_retrieval", maxTokens: 64, metric: qaF1, prompt: longText},
	{name: "timeline_reorder", maxTokens: 32, metric: qaF1, prompt: longText},
	{name: "lcc", maxTokens: 64, metric: codeSimilarity, plain: true, prompt: `Go on with this code.
{context}Next line of code:
`},
	{name: "repobench-p", maxTokens: 64, metric: codeSimilarity, plain: true, prompt: `Go on with this code.
{context}{input}Next line of code:
`},
}

const severalPassages = `Answer the question from the passages below, with the answer alone and no other words.

{context}

Question: {input}
Answer:`

// longText is the prompt of LooGLE's long-dependency questions.
const longText = `Answer the question from the long text below.

{context}

Question: {input}
Answer:`

// question is what LooGLE's short-dependency QA and users' own files become.
var question = dataset{maxTokens: 64, metric: anyLanguage, prompt: `Read the text and answer the question about it, with the answer alone and no other words.

{context}

Question: {input}
Answer:`}

// anyLanguage is QA F1 in the answer's language.
func anyLanguage(output, answer string, classes []string) float64 {
	if hasHan(answer) {
		return qaF1Chinese(output, answer, classes)
	}
	return qaF1(output, answer, classes)
}

// datasetOf finds a LongBench task; LongBench-E's names end in _e.
func datasetOf(name string) (dataset, bool) {
	for _, d := range datasets {
		if d.name == name || d.name+"_e" == name {
			return d, true
		}
	}
	return dataset{}, false
}

func (d dataset) fill(context, input string) string {
	return strings.NewReplacer("{context}", context, "{input}", input).Replace(d.prompt)
}
