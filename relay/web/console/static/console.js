"use strict";
// What makes the pages more convenient. Without it they work all the same.

const show = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium" });

function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    time.title = time.textContent;
    time.textContent = show.format(new Date(time.dateTime));
  }
}

function wideMenu() {
  const menu = document.querySelector(".menu");
  const wide = matchMedia("(min-width: 60rem)");
  const follow = () => { if (menu) { menu.open = wide.matches; } };
  wide.addEventListener("change", follow);
  follow();
}

// Asks before something that cannot be taken back.
function ask(event) {
  const form = event.target;
  if (form.dataset.confirm && !form.dataset.confirmed && !confirm(form.dataset.confirm)) { event.preventDefault(); }
}

// A form goes once: a second click before the page has changed would do the same again.
function once(event) {
  const form = event.target;
  if (event.defaultPrevented || form.getAttribute("method") !== "post") { return; }
  if (Date.now() - Number(form.dataset.sent ?? 0) < 10000) { event.preventDefault(); }
  else { form.dataset.sent = Date.now(); }
}

function anew() {
  for (const form of document.querySelectorAll("[data-sent]")) { delete form.dataset.sent; }
}

// "/" goes to the first search box, as in many mail programs.
function keys(event) {
  const isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) { return; }
  const box = document.querySelector("[data-search]");
  if (box) { event.preventDefault(); box.focus(); }
}

localTimes(document);
wideMenu();
document.addEventListener("submit", ask);
document.addEventListener("submit", once);
addEventListener("pageshow", anew);
document.addEventListener("keydown", keys);
