"use strict";
// Deliveries as they come in: rows that are made of text alone, and what becomes of those that are there.

const ROWS = 500;

function row(found) {
  const made = document.querySelector("#row").content.cloneNode(true).firstElementChild;
  made.id = `d-${found.id}`;
  const time = made.querySelector("time");
  time.dateTime = found.at;
  time.textContent = found.at;
  for (const name of ["recipient", "sender", "credential"]) { made.querySelector(`[data-cell=${name}]`).textContent = found[name]; }
  const link = made.querySelector("a");
  link.textContent = found.subject;
  link.href = `/messages/${found.id}`;
  return made;
}

function take(body, found) {
  const there = document.getElementById(`d-${found.id}`);
  const shown = there ?? row(found);
  const badge = shown.querySelector(".badge");
  badge.className = `badge ${found.badge}`;
  badge.textContent = found.status;
  if (!there) {
    localTimes(shown);
    body.prepend(shown);
  }
}

function follow(button) {
  const body = document.querySelector("#deliveries");
  const newest = body.querySelector("tr");
  const source = new EventSource(`/messages/tail?after=${newest ? newest.id.slice(2) : ""}`);
  source.onmessage = (event) => {
    for (const found of JSON.parse(event.data)) { take(body, found); }
    while (body.children.length > ROWS) { body.lastElementChild.remove(); }
    document.querySelector("#nothing")?.remove();
  };
  source.addEventListener("over", () => stop(button, source));
  source.onerror = () => { if (source.readyState === EventSource.CLOSED) { stop(button, source); } };
  button.setAttribute("aria-pressed", "true");
  button.onclick = () => stop(button, source);
}

function stop(button, source) {
  source.close();
  button.setAttribute("aria-pressed", "false");
  button.onclick = () => follow(button);
}

const toggle = document.querySelector("#follow");
if (toggle) {
  toggle.hidden = false;
  toggle.onclick = () => follow(toggle);
}
