// Keys: a single letter goes to a place, unless somebody is writing.

const WRITING = "input, textarea, select, [contenteditable]";

function isPlain(event) {
  return !(event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat);
}

export function takeKeys(root) {
  root.addEventListener("keydown", (event) => {
    if (!isPlain(event) || event.target.closest?.(WRITING)) return;
    const place = root.querySelector(`a[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
    if (!place) return;
    event.preventDefault();
    place.click();
  });
}
