// The page: a bar of switches, and a card for each part of the data.
const root = document.getElementById("report");

const start = (data) => {
  setRamp(data.ramp);
  const app = { run: null, m: null, top: 10, scale: "linear", head: 0 };
  const bar = el("div", { class: "bar-top", role: "group", "aria-label": "What is shown" }), main = el("main");
  let sections = [];

  app.changed = (what) => {
    for (const s of sections) s.update(what);
    app.updates = (app.updates || 0) + 1;
  };
  app.set = (change) => {
    Object.assign(app, change);
    if ("head" in change) said(`${app.m.grid.name(app.head)}, score ${score(app.m.mean[app.head])}, rank ${app.m.rank[app.head]}`);
    app.changed("head" in change ? "head" : "all");
  };
  const choose = (method) => {
    const before = app.m;
    app.m = app.run.methods[method];
    if (!before || before.grid.count !== app.m.grid.count || before.per_kv_head !== app.m.per_kv_head) app.head = app.m.order[0] ?? 0;
  };

  const open = (n) => {
    app.run = data.runs[n];
    app.m = null;
    app.top = Math.max(1, app.run.top);
    choose(Math.max(0, app.run.methods.findIndex((m) => m.default)));
    document.title = `${app.run.model || app.run.name} · headprof`;
    build(n);
  };

  const build = (n) => {
    const run = app.run;
    bar.hidden = false;
    const top = el("input", { type: "number", min: 1, max: app.m.order.length || 1, value: app.top, oninput: () => {
      const k = Math.round(Number(top.value));
      if (k >= 1) app.set({ top: Math.min(k, app.m.order.length) });
    } });
    const nav = el("nav", { "aria-label": "Parts" });
    replace(bar,
      data.runs.length > 1 && field("Run", select(data.runs.map((r, i) => [i, r.name]), n, (v) => open(Number(v)))),
      field("Method", select(run.methods.map((m, i) => [i, m.name || "score"]), run.methods.indexOf(app.m), (v) => {
        choose(Number(v));
        app.changed("all");
      })),
      field("Top-k", top), field("Colours", select(Object.entries(scales).map(([k, s]) => [k, s.label]), app.scale, (v) => app.set({ scale: v }))), nav);
    const heads = headsSection(app), budget = budgetSection(app);
    sections = [budget, heads, rankingSection(app), layersSection(app), needleSection(app), agreementSection(app, data)].filter(Boolean);
    // The budget is computed first, because a head's panel names it.
    const order = [heads, ...sections.filter((s) => s !== heads && s !== budget), budget];
    replace(main, progressOf(data.live), header(run), warningsSection(run), order.map((s) => s.box),
      (data.evaluations || []).map(evaluationSection), (data.ablations || []).map(ablationSection), madeSection(run));
    replace(nav, [...main.querySelectorAll("section.card > h2")].map((h) => el("a", { href: "#" + h.parentElement.id }, h.textContent)));
    app.changed("all");
    window.headprof = { app, budget, heads, Budget }; // for tests and consoles
  };

  const header = (run) => {
    const best = app.m.order[0];
    const tile = (value, label) => el("div", { class: "tile" }, el("b", null, value), el("span", null, label));
    return el("header", null,
      el("p", { class: "kind" }, "headprof report"), el("h1", null, run.model || run.name),
      el("p", { class: "faint" }, run.path),
      el("div", { class: "tiles" },
        tile(`${run.layers.length} × ${run.layers[0].heads}`, run.layers[0].kv_heads > 0 && run.layers[0].kv_heads !== run.layers[0].heads ? `layers × heads, ${run.layers[0].kv_heads} KV heads` : "layers × heads"),
        (run.facts || []).map((f) => tile(f.value, f.name)),
        best !== undefined && tile(app.m.grid.name(best), "best head, " + (app.m.name || "score"))));
  };

  const evaluationsOnly = () => {
    document.title = "headprof report";
    replace(main, el("header", null, el("p", { class: "kind" }, "headprof report"), el("h1", null, data.live ? "A run has begun" : "Evaluations")), progressOf(data.live), (data.evaluations || []).map(evaluationSection), (data.ablations || []).map(ablationSection));
    bar.hidden = true;
  };

  // again shows newer data of a run that is going on, as it was shown before.
  const again = async (text) => {
    const next = await decode(JSON.parse(text));
    const editing = main.contains(document.activeElement) && ["INPUT", "SELECT"].includes(document.activeElement.tagName);
    if (editing) return;
    data = next;
    if (!data.runs.length) return evaluationsOnly();
    const { m, head, top } = app, at = scrollY, known = app.run !== null;
    if (!known) return open(0);
    app.run = data.runs[0];
    app.m = app.run.methods.find((x) => x.name === m.name) || app.run.methods[0];
    app.head = head < app.m.grid.count ? head : 0;
    app.top = top;
    build(0);
    scrollTo({ top: at, behavior: "instant" });
  };
  const watch = () => setTimeout(async () => {
    try {
      const answer = await fetch("data", { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      await again(await answer.text());
      watch();
    } catch {
      const note = document.querySelector("#progress p");
      if (note) note.textContent = "The run has ended, or its live view is out of reach. ‘headprof report’ with its folder shows the result.";
    }
  }, 3000);

  replace(root, bar, main, live, el("footer", null, `Written by headprof ${data.version}. Charts: uPlot (MIT).`));
  if (data.runs.length > 0) open(0);
  else evaluationsOnly();
  root.setAttribute("aria-busy", "false");
  if (data.live) watch();

  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) redrawAll();
    width = innerWidth;
  });
  const recolour = () => {
    if (app.run) app.changed("all");
    redrawAll();
  };
  dark.addEventListener("change", recolour);
  // Paper is light, whatever the screen is.
  addEventListener("beforeprint", () => {
    document.documentElement.dataset.printing = "";
    recolour();
  });
  addEventListener("afterprint", () => {
    delete document.documentElement.dataset.printing;
    recolour();
  });
};

const progressOf = (l) => {
  if (!l) return null;
  return el("section", { class: "card live", id: "progress" }, el("progress", { max: Math.max(1, l.tokens_total), value: l.tokens_done, "aria-label": "tokens computed" }),
    el("p", null, `${whole(l.done)} of ${plural(l.total, "trial")}, ${l.done > 0 ? percent(l.passed / l.done) + " passed" : "none done yet"}`,
      l.rate > 0 && `, ${whole(l.rate)} tokens/s`, l.seconds_left >= 0 && l.done < l.total && `, ${duration(l.seconds_left)} left`, l.done > 0 && ". Scores and intervals are provisional."));
};

const fail = (e) => {
  replace(root, el("p", { class: "problem", role: "alert" }, "The report cannot be shown: " + e.message + ". It needs a browser of 2023 or later."));
  throw e;
};

decode(JSON.parse(document.getElementById("data").textContent)).then(start).catch(fail);
