// What a profile was made from: command, hashes, plan and settings.
const madeParts = (made) => [
  made.command && [el("p", { class: "small faint" }, "Command, rebuilt from run.json:"), command(made.command)],
  made.hashes && [el("h3", null, "Hashes"), definitions(made.hashes)],
  made.plan && [el("h3", null, "Plan"), definitions(made.plan)],
  made.settings && [el("h3", null, "Settings"), definitions(made.settings)],
];

const madeDetails = (made) => (made && (made.command || made.hashes) ? el("details", null, el("summary", null, "How it was made"), madeParts(made)) : null);

const madeSection = (run) => (run.made && (run.made.command || run.made.hashes) ? card("made", "How it was made", null, madeParts(run.made)) : null);

const warningsSection = (run) => (run.warnings && run.warnings.length > 0
  ? el("section", { class: "card warnings", id: "warnings", "aria-labelledby": "warnings-title" }, el("h2", { id: "warnings-title" }, "Warnings"),
    el("ul", null, run.warnings.map((w) => el("li", null, w.text, w.remedies && el("div", { class: "faint small" }, "What helps: " + w.remedies.join("; "))))))
  : null);
