// Estimates are asked for once a prompt rests; everything else is computed here, at once.
"use strict";

(() => {
  const $ = (id) => document.getElementById(id);
  const place = $("playground");
  const low = Number(place.dataset.low);
  const high = Number(place.dataset.high);
  const STEPS = 1000;
  const KINDS = ["exponential", "linear"];
  const boxes = [...document.querySelectorAll("input[name=model]")];
  let wtp = Number(place.dataset.wtp);
  let known = null;
  let turn = 0;
  let waiting = 0;

  const toUsd = (step) => low * (high / low) ** (step / STEPS);
  const toStep = (usd) => Math.round(STEPS * Math.log(usd / low) / Math.log(high / low));

  function dollars(amount) {
    if (amount === 0) return "$0";
    const digits = Math.min(12, Math.max(2, 1 - Math.floor(Math.log10(Math.abs(amount)))));
    return `$${amount.toFixed(amount >= 1 ? 2 : digits)}`;
  }

  function number(id, most) {
    const input = $(id);
    const text = input.value.trim().replace(/^\$/, "");
    const value = text === "" ? null : Number(text);
    const wrong = value !== null && !(value >= 0 && value <= most && Number.isFinite(value));
    input.setAttribute("aria-invalid", String(wrong));
    return wrong ? null : value;
  }

  function terms(kind) {
    const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
    return {
      wtp, kind,
      maxCost: number("max-cost", Infinity),
      minQuality: number("min-quality", 1),
      models: chosen.length === boxes.length ? null : chosen,
    };
  }

  function setWtp(usd, { from } = {}) {
    if (!(usd > 0 && Number.isFinite(usd))) return;
    wtp = usd;
    if (from !== "slider") $("wtp").value = String(toStep(usd));
    if (from !== "text") $("usd").value = String(Number(usd.toPrecision(6)));
    $("wtp").setAttribute("aria-valuetext", dollars(usd));
    for (const mark of document.querySelectorAll("[data-preset]")) {
      mark.setAttribute("aria-pressed", String(Math.abs(Number(mark.dataset.usd) / usd - 1) < 1e-9));
    }
    decide();
  }

  function cell(row, kind, text, share, won) {
    const one = document.createElement("td");
    one.className = won ? `${kind} won` : kind;
    const words = document.createElement("span");
    words.textContent = text;
    one.append(words);
    if (share !== null) {
      const bar = document.createElement("i");
      bar.style.width = `${Math.max(0, Math.min(100, share * 100)).toFixed(1)}%`;
      one.append(bar);
    }
    row.append(one);
    return one;
  }

  function signed(value, digits) {
    return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
  }

  function speaks(i) {
    if (!known.prior) return "";
    return `kind ${known.prior[i].toFixed(2)}, near prompts ${signed(known.anchors[i], 3)}`;
  }

  function order(results) {
    const by = $("sort").value;
    const models = known.models;
    const worth = {
      cost: (i) => models[i].cost_usd,
      quality: (i) => -models[i].quality,
      exponential: (i) => -results.exponential.rewards[i],
      linear: (i) => -results.linear.rewards[i],
      name: () => 0,
    }[by];
    return models.map((_, i) => i).sort((a, b) => worth(a) - worth(b)
      || (models[a].model < models[b].model ? -1 : 1));
  }

  function decide() {
    if (!known) return;
    const models = known.models;
    const results = Object.fromEntries(
      KINDS.map((kind) => [kind, window.onehead.policy.choose(models, terms(kind))]));
    place.dataset.exponential = models[results.exponential.column]?.model || "";
    place.dataset.linear = models[results.linear.column]?.model || "";
    KINDS.forEach((kind) => tell(kind, results[kind]));

    const dearest = Math.max(...models.map((one) => one.cost_usd), 1e-12);
    const best = Math.max(...results.exponential.rewards, 1e-12);
    const top = Math.max(...results.linear.rewards);
    const rows = order(results).map((i) => {
      const one = models[i];
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = one.model;
      row.append(head);
      cell(row, "quality", one.quality.toFixed(3), one.quality, false);
      cell(row, "cost", dollars(one.cost_usd), one.cost_usd / dearest, false);
      const exponential = results.exponential.rewards[i];
      const linear = results.linear.rewards[i];
      cell(row, "reward", exponential.toFixed(4), exponential / best, i === results.exponential.column);
      cell(row, "reward", linear < -99 ? "below −99" : linear.toFixed(4).replace("-", "−"),
        top > 0 ? Math.max(0, linear) / top : 0, i === results.linear.column);
      const said = one.why_not
        || (results.exponential.eligible[i] ? speaks(i) : "kept out by the constraints");
      cell(row, "muted", said, null, false);
      if (!results.exponential.eligible[i]) row.className = "out";
      return row;
    });
    $("bars").tBodies[0].replaceChildren(...rows);
  }

  function tell(kind, result) {
    const box = document.querySelector(`[data-winner=${kind}]`);
    const models = known.models;
    const name = box.querySelector("strong");
    const words = box.querySelector("p");
    if (result.column < 0) {
      name.textContent = "no model";
      words.textContent = "The constraints leave none to choose: raise the ceiling or allow more models.";
      return;
    }
    const won = models[result.column];
    if (name.textContent !== won.model) name.textContent = won.model;
    const rest = { ...terms(kind), models: models.filter((one, i) => result.eligible[i]
      && i !== result.column).map((one) => one.model) };
    const next = window.onehead.policy.choose(models, rest).column;
    let said = `quality ${won.quality.toFixed(2)} for about ${dollars(won.cost_usd)}`;
    if (result.relaxed) said += "; no model reaches the floor";
    if (next >= 0) {
      const dearer = models[next].cost_usd - won.cost_usd;
      const better = models[next].quality - won.quality;
      said += `. Next best: ${models[next].model}, `
        + `${Math.abs(better) < 0.005 ? "the same" : signed(better, 2)} quality for `
        + `${dollars(Math.abs(dearer))} ${dearer < 0 ? "less" : "more"}`;
    }
    words.textContent = `${said}.`;
  }

  function tellEvidence() {
    const kinds = known.kinds.filter((one) => one.share >= 0.01).map((one) => `${one.kind} ${(one.share * 100).toFixed(0)} %`);
    $("mix").textContent = `Confidence ${known.confidence.toFixed(2)}: how near the prompt lies to `
      + `what the router was trained on.`
      + `${known.confidence < 0.5 ? " Below 0.50 the estimates lean on what each model usually does." : ""}`
      + `${kinds.length ? ` Most like: ${kinds.join(" · ")}.` : ""}`;
    $("evidence").textContent = known.near
      ? `What speaks for a model: its mean quality on prompts of these kinds, and what the nearest of the `
        + `router's ${known.near.anchors} anchors add (about ${known.near.effective.toFixed(0)} of them count `
        + "here). Both before calibration. The router keeps no texts of its anchors, so they cannot be shown."
      : "This router's recipe keeps no anchors or kinds of prompts, so only its confidence can be shown.";
  }

  async function ask() {
    const mine = ++turn;
    try {
      const found = await window.onehead.ask("/ui/api/estimate", { prompt: $("prompt").value });
      if (mine !== turn) return;
      known = found;
      $("trouble").hidden = true;
      place.dataset.estimated = String(mine);
      tellEvidence();
      decide();
    } catch (error) {
      if (mine !== turn) return;
      $("trouble").textContent = error.message;
      $("trouble").hidden = false;
    }
  }

  function options() {
    const now = terms("exponential");
    const asked = { willingness_to_pay: Number(wtp.toPrecision(6)) };
    if (now.maxCost !== null) asked.max_cost_usd = now.maxCost;
    if (now.minQuality !== null) asked.min_quality = now.minQuality;
    if (now.models) asked.models = now.models;
    return asked;
  }

  function curl() {
    const body = { model: "auto", messages: [{ role: "user", content: $("prompt").value }],
      onehead: options() };
    const key = place.dataset.keyed === "1" ? ' \\\n  -H "authorization: Bearer $ONEHEAD_KEY"' : "";
    const quoted = JSON.stringify(body).replaceAll("'", "'\\''");
    return `curl ${place.dataset.base}/v1/chat/completions${key} \\\n`
      + `  -H "content-type: application/json" \\\n  -d '${quoted}'`;
  }

  function python() {
    const key = place.dataset.keyed === "1" ? 'os.environ["ONEHEAD_KEY"]' : '"none"';
    return `${place.dataset.keyed === "1" ? "import os\n\n" : ""}from openai import OpenAI\n\n`
      + `client = OpenAI(base_url="${place.dataset.base}/v1", api_key=${key})\n`
      + "answer = client.chat.completions.create(\n    model=\"auto\",\n"
      + `    messages=[{"role": "user", "content": ${JSON.stringify($("prompt").value)}}],\n`
      + `    extra_body={"onehead": ${JSON.stringify(options())}},\n)\n`
      + "print(answer.choices[0].message.content)";
  }

  async function copy(text) {
    $("snippet").textContent = text;
    $("snippet").hidden = false;
    try {
      await navigator.clipboard.writeText(text);
      $("copied").textContent = "copied";
    } catch {
      $("copied").textContent = "copy it from below";
    }
  }

  $("prompt").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(ask, 250); });
  $("wtp").addEventListener("input", () => setWtp(toUsd(Number($("wtp").value)), { from: "slider" }));
  $("usd").addEventListener("input", () => {
    const usd = Number($("usd").value.trim().replace(/^\$/, ""));
    $("usd").setAttribute("aria-invalid", String(!(usd > 0 && Number.isFinite(usd))));
    setWtp(usd, { from: "text" });
  });
  for (const id of ["max-cost", "min-quality", "sort"]) $(id).addEventListener("input", decide);
  for (const box of boxes) box.addEventListener("change", decide);
  for (const mark of document.querySelectorAll("[data-preset]")) {
    mark.addEventListener("click", () => setWtp(Number(mark.dataset.usd)));
    const tick = document.createElement("option");
    tick.value = String(toStep(Number(mark.dataset.usd)));
    $("presets").append(tick);
  }
  for (const [id, on] of [["all", true], ["none", false]]) {
    $(id).addEventListener("click", () => {
      for (const box of boxes) box.checked = on;
      decide();
    });
  }
  $("copy-curl").addEventListener("click", () => copy(curl()));
  $("copy-python").addEventListener("click", () => copy(python()));
  setWtp(wtp);
  ask();
})();
