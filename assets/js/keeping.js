// What is being written outlives a page that was lost: an ended session, a crash, a stray click.
// It stays in this tab only and is forgotten once the post was taken.

const KEY = "perch-writing";

export function keepWriting(text) {
  const kept = sessionStorage.getItem(KEY);
  if (kept && text.value === "") {
    text.value = kept;
    // Only once the page is complete does anybody listen who counts.
    addEventListener("load", () => text.dispatchEvent(new Event("input", { bubbles: true })));
  }
  text.addEventListener("input", () => sessionStorage.setItem(KEY, text.value));
}

export function forgetWriting() {
  sessionStorage.removeItem(KEY);
}
