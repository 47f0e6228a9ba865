// Builds everything a page loads into src/perch/web/static/built: run by `npm run build`.
//
// The folder's files refer to each other by relative names. Their common address holds a hash over
// all of them (/static/<version>/…), so a browser may keep every file for ever.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "..", "src", "perch", "web", "static", "built");
const fresh = `${target}.new`;
const require = createRequire(import.meta.url);

// One outline family for every icon; the names are lucide's.
const LUCIDE = [
  "arrow-left",
  "at-sign",
  "ban",
  "calendar-clock",
  "check",
  "circle-alert",
  "circle-question-mark",
  "external-link",
  "image-plus",
  "inbox",
  "list",
  "link",
  "log-in",
  "log-out",
  "monitor",
  "moon",
  "plus",
  "refresh-cw",
  "send",
  "shield-check",
  "square-pen",
  "sun",
  "triangle-alert",
  "unplug",
  "x",
];

function lucideSymbols() {
  const { icons, width, height } = JSON.parse(readFileSync(require.resolve("@iconify-json/lucide/icons.json")));
  return LUCIDE.map((name) => {
    if (!icons[name]) throw new Error(`lucide has no icon named ${name}`);
    return `<symbol id="${name}" viewBox="0 0 ${width} ${height}">${icons[name].body}</symbol>`;
  });
}

function ownSymbols() {
  return readdirSync(join(here, "icons"))
    .filter((file) => file.endsWith(".svg"))
    .sort()
    .map((file) => {
      const drawing = readFileSync(join(here, "icons", file), "utf8");
      const [, viewBox, body] = drawing.match(/viewBox="([^"]+)"[^>]*>([\s\S]*)<\/svg>/);
      return `<symbol id="${file.replace(/\.svg$/, "")}" viewBox="${viewBox}">${body.trim()}</symbol>`;
    });
}

function version(folder) {
  const hash = createHash("sha256");
  for (const file of readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()) {
    hash.update(file.slice(folder.length)).update(readFileSync(file));
  }
  return hash.digest("hex").slice(0, 12);
}

rmSync(fresh, { recursive: true, force: true });
mkdirSync(join(fresh, "js"), { recursive: true });
execFileSync(
  process.execPath,
  [join(here, "node_modules/@tailwindcss/cli/dist/index.mjs"), "-i", "css/app.css", "-o", join(fresh, "app.css"), "--minify"],
  { cwd: here, stdio: ["ignore", "ignore", "inherit"] },
);
cpSync(join(here, "js"), join(fresh, "js"), { recursive: true });
cpSync(join(here, "node_modules/htmx.org/dist/htmx.min.js"), join(fresh, "js", "htmx.min.js"));
for (const subset of ["latin", "latin-ext"]) {
  cpSync(
    join(here, `node_modules/@fontsource-variable/inter/files/inter-${subset}-wght-normal.woff2`),
    join(fresh, `inter-${subset}.woff2`),
  );
}
writeFileSync(
  join(fresh, "icons.svg"),
  `<svg xmlns="http://www.w3.org/2000/svg">${[...lucideSymbols(), ...ownSymbols()].join("\n")}</svg>\n`,
);
cpSync(join(here, "favicon.svg"), join(fresh, "favicon.svg"));
writeFileSync(join(fresh, "manifest.json"), `${JSON.stringify({ version: version(fresh) })}\n`);

// A finished folder takes the old one's place at once, so a failed build never leaves half a folder.
rmSync(target, { recursive: true, force: true });
renameSync(fresh, target);
