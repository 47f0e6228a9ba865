// One place for a picture or video on a card: empty, on its way, or held by Perch's library.

export class Slot {
  #element;
  #changed;
  #request = null;
  #preview = "";

  constructor(element, changed) {
    this.#element = element;
    this.#changed = changed;
    this.#part("remove").addEventListener("click", (event) => {
      event.preventDefault();
      this.clear();
    });
  }

  get isFree() {
    return !this.isBusy && this.#part("asset").value === "" && this.#element.classList.contains("empty");
  }

  get isBusy() {
    return this.#request !== null;
  }

  upload(file) {
    this.#element.classList.remove("empty");
    this.#show(file);
    const progress = this.#part("progress");
    progress.hidden = false;
    progress.value = 0;
    this.#note(`Uploading ${file.name}`);

    const body = new FormData();
    body.append("file", file);
    const request = new XMLHttpRequest();
    this.#request = request;
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) progress.value = (100 * event.loaded) / event.total;
    });
    request.addEventListener("load", () => this.#arrived(request));
    request.addEventListener("error", () => this.#failed("The upload was cut off. Remove it and add it again."));
    request.open("POST", "/media");
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-CSRF-Token", this.#token());
    request.send(body);
  }

  clear() {
    this.#request?.abort();
    this.#request = null;
    this.#part("asset").value = "";
    this.#element.querySelector("textarea").value = "";
    this.#part("progress").hidden = true;
    this.#forget();
    this.#note("");
    this.#element.classList.add("empty");
    document.getElementById("text").focus();
    this.#changed();
  }

  #arrived(request) {
    let answer = {};
    try {
      answer = JSON.parse(request.responseText);
    } catch {
      // A proxy's page instead of our answer: the sentence below says what to do.
    }
    if (request.status !== 201) {
      this.#failed(answer.detail ?? "The upload was refused. Remove it and add it again.");
      return;
    }
    this.#request = null;
    this.#part("asset").value = answer.id;
    this.#part("progress").hidden = true;
    this.#forget();
    this.#part("thumb").src = answer.preview_url;
    this.#part("thumb").hidden = false;
    this.#note(answer.note);
    this.#element.querySelector("textarea").focus();
    this.#changed();
  }

  #failed(sentence) {
    this.#request = null;
    this.#part("progress").hidden = true;
    this.#note(sentence);
    this.#element.querySelector("[data-note]").setAttribute("role", "alert");
  }

  #show(file) {
    if (!file.type.startsWith("image/")) return;
    this.#preview = URL.createObjectURL(file);
    this.#part("thumb").src = this.#preview;
    this.#part("thumb").hidden = false;
  }

  #forget() {
    if (this.#preview) URL.revokeObjectURL(this.#preview);
    this.#preview = "";
    this.#part("thumb").hidden = true;
    this.#part("thumb").removeAttribute("src");
  }

  #note(words) {
    this.#part("note").textContent = words;
    this.#part("note").removeAttribute("role");
  }

  #token() {
    return this.#element.closest("form").querySelector("[name=csrf_token]").value;
  }

  #part(name) {
    return this.#element.querySelector(`[data-${name}]`);
  }
}
