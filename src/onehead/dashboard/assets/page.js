// What every page has: the theme switch, copying, and thumbs.
"use strict";

(() => {
  const root = document.documentElement;
  const toggle = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");

  const current = () => root.dataset.theme || (system.matches ? "dark" : "light");

  function label() {
    const other = current() === "dark" ? "light" : "dark";
    toggle.textContent = other;
    toggle.setAttribute("aria-label", `Use the ${other} theme`);
  }

  if (toggle) {
    toggle.hidden = false;
    toggle.addEventListener("click", () => {
      root.dataset.theme = current() === "dark" ? "light" : "dark";
      try { localStorage.setItem("onehead-theme", root.dataset.theme); } catch { /* not kept */ }
      label();
    });
    system.addEventListener("change", label);
    label();
  }

  const here = document.querySelector(".pages a[aria-current]");
  if (here) here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.offsetLeft - 16;

  // Only a script of this origin can send this header, so no other site can act for the reader.
  window.onehead = {
    async ask(path, body) {
      const options = { headers: { "x-onehead-ui": "1" }, credentials: "same-origin" };
      if (body !== undefined) {
        options.method = "POST";
        options.headers["content-type"] = "application/json";
        options.body = JSON.stringify(body);
      }
      const response = await fetch(path, options);
      if (response.status === 401) {
        const back = encodeURIComponent(location.pathname + location.search);
        location.assign(`/ui/login?next=${back}`);
      }
      const document = await response.json();
      if (!response.ok) throw new Error(document.error ? document.error.message : response.statusText);
      return document;
    },
  };

  for (const button of document.querySelectorAll("button[data-quality]")) {
    button.addEventListener("click", async () => {
      const form = button.closest("[data-decision]");
      const status = form.querySelector("[role=status]");
      const comment = form.querySelector("textarea");
      try {
        await window.onehead.ask("/ui/api/feedback", {
          decision_id: form.dataset.decision,
          quality: Number(button.dataset.quality),
          comment: comment && comment.value ? comment.value : null,
        });
        for (const other of form.querySelectorAll("button[data-quality]")) {
          other.setAttribute("aria-pressed", String(other === button));
        }
        status.textContent = "Noted. It counts in the calibration of the model that answered.";
      } catch (error) {
        status.textContent = error.message;
      }
    });
  }
})();
