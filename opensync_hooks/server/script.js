"use strict";
// The pages work without this: it adds keys, and shows what is new in an open session.
(() => {
  const search = document.querySelector("input[type=search]");
  const entries = () => [...document.querySelectorAll("article.message, .sessions > li")];
  let current = null;

  function step(distance) {
    const all = entries();
    if (!all.length) return;
    const next = all.indexOf(current) + distance;
    const first = all.findIndex((entry) => entry.getBoundingClientRect().bottom > 0);
    current = all[current ? Math.max(0, Math.min(next, all.length - 1)) : Math.max(0, first)];
    const target = current.querySelector("h3 a") || current;
    target.tabIndex = target.tabIndex < 0 ? -1 : target.tabIndex;
    target.focus({ preventScroll: true });
    current.scrollIntoView({ block: target === current ? "start" : "nearest" });
  }

  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, select, textarea");
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping) return;
    if (event.key === "/" && search) {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
  });

  document.addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("select[form], input[type=date]")) event.target.form.requestSubmit();
  });

  const live = document.querySelector("[data-live]");
  if (!live) return;
  let version = live.dataset.version;
  async function look() {
    if (document.hidden) return;
    const newest = await (await fetch(live.dataset.live)).text();
    if (newest === version) return;
    const answer = await fetch(location.href);
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const isAtEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 80;
    for (const article of page.querySelectorAll("article.message")) {
      const shown = document.getElementById(article.id);
      if (!shown) live.append(article);
      else if (shown.textContent !== article.textContent && !shown.contains(document.activeElement))
        shown.replaceWith(article);
    }
    for (const part of document.querySelectorAll("[data-part]")) {
      const update = page.querySelector(`[data-part=${part.dataset.part}]`);
      if (update && !part.contains(document.activeElement)) part.replaceWith(update);
    }
    version = newest;
    if (isAtEnd) scrollTo(0, document.documentElement.scrollHeight);
  }
  const timer = setInterval(() => look().catch(() => clearInterval(timer)), 4000);
})();
