// A sign-in link tells Perch the browser's time zone, so that times read as the writer lives them.

export function tellZone(root) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone) return;
  for (const link of root.querySelectorAll("a[data-zone-link]")) {
    const address = new URL(link.href);
    address.searchParams.set("zone", zone);
    link.href = address.href;
  }
}
