// Keeps the page of the agent fresh: every two seconds it is fetched anew, and the parts
// that differ are put in place of the old ones. Without this script the page is whole, and
// loads itself again every ten seconds.
"use strict";

const every = 2000;
const lost = document.getElementById("lost");
let fresh = new Date();
let pointed = null; // the plot that the reader points at is left alone

async function refresh() {
  if (document.hidden || pointed) return;
  try {
    const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(answer.statusText);
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    take(next);
    fresh = new Date();
    lost.hidden = true;
  } catch {
    lost.querySelector("time").textContent = fresh.toLocaleTimeString();
    lost.hidden = false;
  }
}

function take(next) {
  document.title = next.title;
  const ids = (page) => [...page.querySelectorAll("[data-live]")].map((e) => e.id).join();
  if (ids(document) !== ids(next)) { // a pipeline came or went
    document.querySelector("main").replaceWith(document.adoptNode(next.querySelector("main")));
    return;
  }
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = next.getElementById(part.id);
    if (part.outerHTML !== other.outerHTML) part.replaceWith(document.adoptNode(other));
  }
}

// Pointing at a plot tells the values there: "x|text" for each point, from left to right.
document.addEventListener("pointermove", (event) => {
  const plot = event.target.closest?.(".plot svg");
  if (pointed && pointed !== plot) leave();
  if (!plot || !plot.dataset.readouts) return;
  const box = plot.getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * 600;
  let best = null;
  for (const point of plot.dataset.readouts.split(";")) {
    const [at, text] = point.split("|");
    if (!best || Math.abs(at - x) < Math.abs(best.at - x)) best = { at: Number(at), text };
  }
  const readout = plot.closest(".plot").querySelector(".readout");
  readout.dataset.now ??= readout.textContent;
  readout.textContent = best.text;
  plot.querySelector(".cursor").setAttribute("d", `M${best.at} 0V140`);
  pointed = plot;
});
document.addEventListener("pointerleave", leave);
document.addEventListener("pointerup", (event) => { if (event.pointerType === "touch") leave(); });

function leave() {
  if (!pointed) return;
  const readout = pointed.closest(".plot").querySelector(".readout");
  readout.textContent = readout.dataset.now;
  pointed.querySelector(".cursor").setAttribute("d", "");
  pointed = null;
}

setInterval(refresh, every);
document.addEventListener("visibilitychange", refresh);
