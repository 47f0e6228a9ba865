// The composer: files are uploaded as they are dropped, pasted or picked; the server counts and prices.

import { Slot } from "./slot.js";

export function compose(form) {
  const slots = [...form.querySelectorAll("[data-slot]")].map((element) => new Slot(element, changed));
  const sheet = form.querySelector("[data-drop]");
  const picker = form.querySelector("[data-picker]");
  const said = form.querySelector("[data-said]");
  let sent = false;

  function changed() {
    document.body.dispatchEvent(new Event("recheck"));
  }

  function take(files) {
    const kept = [...files];
    const free = slots.filter((slot) => slot.isFree);
    kept.slice(0, free.length).forEach((file, place) => free[place].upload(file));
    said.textContent =
      kept.length > free.length ? "A post holds up to four pictures; the others were left out." : "";
    said.classList.toggle("sr-only", said.textContent === "");
  }

  form.querySelector("[data-pick]").addEventListener("click", () => picker.click());
  picker.addEventListener("change", () => {
    take(picker.files);
    picker.value = "";
  });

  form.addEventListener("paste", (event) => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    take(event.clipboardData.files);
  });

  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      sheet.classList.add("dropping");
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) sheet.classList.remove("dropping");
  });
  // Anywhere on the page: a file that misses the sheet would replace the page and what was written.
  document.addEventListener("drop", (event) => {
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    sheet.classList.remove("dropping");
    take(event.dataTransfer.files);
  });

  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit(form.querySelector("#post-now"));
  });

  form.addEventListener("submit", (event) => {
    if (sent) {
      event.preventDefault();
    } else if (slots.some((slot) => slot.isBusy)) {
      event.preventDefault();
      said.textContent = "A picture is still on its way. Press again when it is there.";
      said.classList.remove("sr-only");
    } else {
      sent = true;
      form.querySelector("#post-now").setAttribute("aria-busy", "true");
    }
  });
  // Coming back with the browser's back button must find a form that can be sent again.
  window.addEventListener("pageshow", () => {
    sent = false;
  });
}
