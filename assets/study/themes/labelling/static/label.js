// The keyboard of the labelling page, and sending without leaving it.
//
// The page works without this script. With it, what was filled in stays where it is when the
// server does not answer, and leaving a post with something unkept takes a second try.
"use strict";

(() => {
  const form = document.querySelector("form.panel");
  const help = document.getElementById("help");
  const told = document.getElementById("told");
  const problem = document.getElementById("problem");
  const settings = { atOnce: document.getElementById("at-once"), noKeys: document.getElementById("no-keys") };
  let isSending = false;
  let isWarned = false;
  let asKept = "";

  // ---------------------------------------------------------------- settings

  // In cookies, which do not ask for the port: the next start has another. They are no secret.
  const stored = (name) => document.cookie.split("; ").includes(`osmoscope_${name}=1`);
  const store = (name, value) => {
    const seconds = value ? 365 * 24 * 3600 : 0;
    document.cookie = `osmoscope_${name}=1; path=/; max-age=${seconds}; samesite=strict`;
  };
  for (const [name, box] of Object.entries(settings)) {
    box.checked = stored(name);
    box.addEventListener("change", () => store(name, box.checked));
  }

  // ---------------------------------------------------------------- words

  const say = (text) => { if (told) told.textContent = text; };
  const complain = (text) => {
    if (!problem) return;
    problem.textContent = text;
    problem.hidden = !text;
  };
  for (const one of document.querySelectorAll("[data-language]")) {
    try {
      one.textContent = new Intl.DisplayNames(["en"], { type: "language" }).of(one.dataset.language);
    } catch { /* the code stays */ }
  }
  // Said again after loading: what was there from the start is not read out.
  const first = told ? told.textContent : "";
  if (first) {
    say("");
    setTimeout(() => say(first), 50);
  }
  const title = document.querySelector("main h1");
  if (title) title.focus({ preventScroll: true });

  // ---------------------------------------------------------------- codebook

  const openHelp = () => { if (!help.open) help.showModal(); };
  document.getElementById("open-help").addEventListener("click", openHelp);
  help.addEventListener("click", (event) => { if (event.target === help) help.close(); });

  // ---------------------------------------------------------------- leaving

  const filled = () => {
    const data = new FormData(form);
    data.delete("seconds");
    return new URLSearchParams(data).toString();
  };
  const isDirty = () => form !== null && filled() !== asKept;
  const go = (id) => {
    const link = document.getElementById(id);
    if (!link || !link.href) return;
    if (isDirty() && !isWarned) {
      isWarned = true;
      say("This post is not kept yet: Enter keeps it, the same key again leaves it as it was.");
      return;
    }
    asKept = form ? filled() : "";
    location.assign(link.href);
  };
  addEventListener("beforeunload", (event) => { if (!isSending && isDirty()) event.preventDefault(); });

  // A page that the browser kept as it was left knows neither what was kept nor who is sending.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  // ---------------------------------------------------------------- time looked at

  let looked = 0;
  let since = document.visibilityState === "visible" ? performance.now() : null;
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") since = performance.now();
    else if (since !== null) { looked += performance.now() - since; since = null; }
  });
  const secondsLooked = () => (looked + (since === null ? 0 : performance.now() - since)) / 1000;

  // ---------------------------------------------------------------- form

  const radios = form ? [...form.querySelectorAll("input[name=primary]")] : [];
  const boxes = form ? [...form.querySelectorAll("input[name=secondary]")] : [];
  const unclear = form ? form.elements.is_unclear : null;
  const note = form ? form.elements.note : null;

  const settle = () => {
    const chosen = radios.find((one) => one.checked);
    for (const box of boxes) {
      box.disabled = chosen !== undefined && box.value === chosen.value;
      if (box.disabled) box.checked = false;
    }
    isWarned = false;
    complain("");
  };

  const send = async () => {
    if (isSending) return;
    if (!radios.some((one) => one.checked) && !unclear.checked) {
      const keys = `${radios[0].dataset.key}–${radios[radios.length - 1].dataset.key}`;
      complain(`Choose a theme (${keys}), or mark the post as unclear (u).`);
      return;
    }
    isSending = true;
    complain("");
    form.elements.seconds.value = secondsLooked().toFixed(1);
    form.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        body: new URLSearchParams(new FormData(form)),
        headers: { Accept: "application/json" },
      });
      const said = await answer.json();
      if (answer.ok) {
        location.assign(said.next);
        return;
      }
      complain(said.error);
    } catch {
      complain("The server does not answer, so that nothing was kept. Start the command again and open "
        + "the address that it prints; copy a long note before.");
    }
    form.removeAttribute("aria-busy");
    isSending = false;
  };

  if (form) {
    settle();
    asKept = filled();
    form.addEventListener("submit", (event) => { event.preventDefault(); send(); });
    form.addEventListener("change", settle);
    form.addEventListener("input", () => { isWarned = false; });
  }

  // ---------------------------------------------------------------- keys

  // By place on the keyboard: with Shift, and on some layouts without it, a digit's key says
  // something else.
  const digitOf = (event) => {
    const match = /^(?:Digit|Numpad)([0-9])$/.exec(event.code);
    return match ? match[1] : event.key.toLowerCase();
  };

  const inNote = (event) => {
    if (event.key === "Escape") {
      note.blur();
      event.preventDefault();
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      if (!event.repeat) send();
    }
  };

  const theme = (event) => {
    const key = digitOf(event);
    const list = event.shiftKey ? boxes : radios;
    const chosen = list.find((one) => one.dataset.key === key);
    if (!chosen) return false;
    const name = chosen.closest(".theme").querySelector(".title").textContent;
    if (event.shiftKey) {
      if (chosen.disabled) {
        say(`${name} is the primary theme already.`);
        return true;
      }
      chosen.checked = !chosen.checked;
      say(chosen.checked ? `${name} holds too.` : `${name} does not hold too.`);
    } else {
      chosen.checked = true;
      say(`${name} is the primary theme.`);
    }
    settle();
    if (!event.shiftKey && settings.atOnce.checked) send();
    return true;
  };

  const command = (event) => {
    // Where a choice or a link has the focus, arrows and Enter have their own meaning there.
    const isControl = event.target.closest("input, a, button, textarea") !== null;
    switch (event.key) {
      case "u":
      case "U":
        if (!form) return false;
        unclear.checked = !unclear.checked;
        say(unclear.checked ? "Marked as unclear." : "No longer unclear.");
        settle();
        return true;
      case "n":
      case "N":
        if (!form) return false;
        note.focus();
        return true;
      case "Enter":
        if (isControl || !form) return false;
        send();
        return true;
      case "Backspace":
        go("back");
        return true;
      case "ArrowLeft":
      case "ArrowRight":
        if (isControl) return false;
        go(event.key === "ArrowLeft" ? "back" : "forward");
        return true;
      default:
        return false;
    }
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || help.open) return;
    if (settings.noKeys.checked) return;
    if (event.target === note) {
      inNote(event);
      return;
    }
    if (event.key === "?") {
      openHelp();
      event.preventDefault();
      return;
    }
    if (event.repeat || isSending) return;
    if ((form && theme(event)) || command(event)) event.preventDefault();
  });
})();
