// Elements are made here and nowhere else: texts become text nodes, never markup.
const el = (tag, props, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [k, v] of Object.entries(value)) node.style.setProperty(k, v);
    else if (name in node && !name.includes("-") && name !== "list") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  append(node, children);
  return node;
};

const append = (node, children) => {
  for (const c of children.flat(Infinity)) {
    if (c === undefined || c === null || c === false) continue;
    node.append(c instanceof Node ? c : document.createTextNode(String(c)));
  }
};

const replace = (node, ...children) => {
  node.textContent = "";
  append(node, children);
};

let fieldIds = 0;

// field is a control with its label.
const field = (label, control, hint) => {
  control.id = control.id || "field" + ++fieldIds;
  return el("div", { class: "field" }, el("label", { htmlFor: control.id, title: hint }, label), control);
};

const select = (options, value, onchange) => {
  const s = el("select", { onchange: () => onchange(s.value) });
  for (const [v, text] of options) s.append(el("option", { value: v, selected: String(v) === String(value) }, text));
  return s;
};

// card is one section of the page.
const card = (id, title, lead, ...children) =>
  el("section", { class: "card", id, "aria-labelledby": id + "-title" },
    el("h2", { id: id + "-title" }, title), lead && el("p", { class: "lead" }, lead), children);

const dataTable = (caption, head, rows, classes) =>
  el("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": caption },
    el("table", { class: classes },
      el("caption", { class: "hidden" }, caption),
      el("thead", null, el("tr", null, head.map((h) => el("th", { scope: "col" }, h)))),
      el("tbody", null, rows)));

// definitions lists names and values.
const definitions = (facts) => el("dl", { class: "facts" }, facts.map((f) => [el("dt", null, f.name), el("dd", null, f.value)]));

// command is a line to copy.
const command = (text) => {
  const button = el("button", { type: "button", class: "quiet copy", onclick: async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  } }, "Copy");
  const code = el("code", null, text);
  return el("div", { class: "command" }, el("pre", { tabIndex: 0, "aria-label": "command" }, code), button);
};

// said tells a screen reader.
const live = el("div", { class: "hidden", role: "status", "aria-live": "polite" });
const said = (text) => { live.textContent = text; };

// What is drawn on a canvas is drawn again when the page's width or colours change.
let redraws = [];
const onRedraw = (draw, box) => { redraws.push({ draw, box }); };
const redrawAll = () => {
  redraws = redraws.filter((r) => r.box.isConnected);
  for (const r of redraws) r.draw();
};
