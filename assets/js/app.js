// What the pages do beyond plain links and forms. Every page works without it.

import { compose } from "./composer.js";
import { takeKeys } from "./keys.js";
import { forgetWriting, keepWriting } from "./keeping.js";
import { tellZone } from "./zone.js";

tellZone(document);
takeKeys(document);

const composer = document.querySelector("[data-composer]");
if (composer) {
  compose(composer);
  keepWriting(composer.querySelector("#text"));
}
if (location.pathname.startsWith("/posts/")) forgetWriting();
for (const leaving of document.querySelectorAll('form[action="/logout"]')) {
  leaving.addEventListener("submit", forgetWriting);
}
