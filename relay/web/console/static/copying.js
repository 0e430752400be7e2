"use strict";
// A button beside what is there to be copied. Without it one selects the text.

function offer(text) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copying";
  button.textContent = text.dataset.copy;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = text.dataset.copied;
  });
  text.after(button);
}

if (navigator.clipboard) {
  document.querySelectorAll("[data-copy]").forEach(offer);
}
