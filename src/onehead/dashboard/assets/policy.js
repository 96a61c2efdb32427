// The choice, as onehead.policy.choice makes it: the highest reward; ties go to the cheaper model,
// then to the name that sorts first. tests/test_dashboard_browser.py compares both on a grid.
"use strict";

(() => {
  const TIE = 1e-9;

  // Python sorts names by code points, JavaScript by UTF-16 units.
  function byName(a, b) {
    const left = [...a].map((c) => c.codePointAt(0));
    const right = [...b].map((c) => c.codePointAt(0));
    for (let i = 0; i < Math.min(left.length, right.length); i += 1) {
      if (left[i] !== right[i]) return left[i] - right[i];
    }
    return left.length - right.length;
  }

  function score(quality, cost, wtp, kind) {
    return (kind === "linear" ? quality : Math.log(quality)) - cost / wtp;
  }

  function pick(first, second, eligible, ids, unit) {
    let best = -Infinity;
    first.forEach((value, i) => { if (eligible[i] && value > best) best = value; });
    const bar = best - TIE * Math.max(Math.abs(best), unit);
    let tied = first.map((value, i) => i).filter((i) => eligible[i] && first[i] >= bar);
    if (tied.length > 1) {
      const least = Math.min(...tied.map((i) => second[i]));
      tied = tied.filter((i) => second[i] <= least + TIE * Math.abs(least));
      tied.sort((a, b) => byName(ids[a], ids[b]));
    }
    return tied[0];
  }

  // models: [{model, quality, cost_usd, why_not}]; terms: {wtp, kind, maxCost, minQuality, models},
  // the last three null where not given. Gives {column (-1: no model may be chosen), rewards,
  // eligible, relaxed}.
  function choose(models, terms) {
    const ids = models.map((one) => one.model);
    const quality = models.map((one) => one.quality);
    const cost = models.map((one) => one.cost_usd);
    const scores = models.map((one, i) => score(quality[i], cost[i], terms.wtp, terms.kind));
    const rewards = terms.kind === "linear" ? scores : scores.map(Math.exp);
    const allowed = terms.models && new Set(terms.models);
    let eligible = models.map((one) => !one.why_not
      && (!allowed || allowed.has(one.model))
      && (terms.maxCost === null || one.cost_usd <= terms.maxCost));
    if (!eligible.some(Boolean)) return { column: -1, rewards, eligible, relaxed: false };
    if (terms.minQuality === null) {
      return { column: pick(scores, cost, eligible, ids, 1), rewards, eligible, relaxed: false };
    }
    const reaching = eligible.map((one, i) => one && quality[i] >= terms.minQuality);
    const relaxed = !reaching.some(Boolean);
    if (!relaxed) eligible = reaching;
    const first = relaxed ? quality : cost.map((value) => -value);
    const second = relaxed ? cost : quality.map((value) => -value);
    return { column: pick(first, second, eligible, ids, 0), rewards, eligible, relaxed };
  }

  window.onehead.policy = { choose };
})();
