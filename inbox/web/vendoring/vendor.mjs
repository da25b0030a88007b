// Copies what Samlepost uses of four npm packages into the app and notes version and sha256 of
// each file. Nobody needs Node to install, test or run Samlepost: the copies are checked in.
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const web = dirname(here);
const vendor = join(web, "static", "web", "vendor");
const icons = join(web, "jinja2", "web", "icons");

// Icons stand inside HTML, whose parser knows the namespace: forty times on a page it is weight.
const NAMESPACE = / xmlns="[^"]*"/;

const FILES = {
  "@digdir/designsystemet-css": {
    "dist/src/index.css": join(vendor, "designsystemet", "designsystemet.css"),
    LICENSE: join(vendor, "designsystemet", "LICENSE"),
  },
  "@digdir/designsystemet-theme": {
    "brand/digdir.css": join(vendor, "designsystemet", "theme-digdir.css"),
    LICENSE: join(vendor, "designsystemet", "LICENSE-theme"),
  },
  "@fontsource-variable/inter": {
    "files/inter-latin-wght-normal.woff2": join(vendor, "inter", "inter-latin.woff2"),
    "files/inter-latin-ext-wght-normal.woff2": join(vendor, "inter", "inter-latin-ext.woff2"),
    LICENSE: join(vendor, "inter", "LICENSE"),
  },
  "@navikt/aksel-icons": {},
};

const ICONS = readFileSync(join(here, "icons.txt"), "utf8").split("\n").filter(Boolean);
for (const name of ICONS) {
  FILES["@navikt/aksel-icons"][`dist/svg/${name}.svg`] = join(icons, `${name}.svg`);
}

rmSync(vendor, { recursive: true, force: true });
rmSync(icons, { recursive: true, force: true });
const versions = {};
for (const [name, files] of Object.entries(FILES)) {
  const root = join(here, "node_modules", name);
  const { version, license } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  versions[name] = { version, license, files: {} };
  for (const [from, to] of Object.entries(files)) copy(join(root, from), to, versions[name].files);
}
// The icons' package says MIT but ships no licence text; this is the text of its repository.
const { files: iconFiles } = versions["@navikt/aksel-icons"];
copy(join(here, "AKSEL-LICENSE"), join(icons, "LICENSE"), iconFiles);
writeFileSync(join(vendor, "VERSIONS.json"), `${JSON.stringify(versions, null, 2)}\n`);

function copy(from, to, noted) {
  mkdirSync(dirname(to), { recursive: true });
  if (to.endsWith(".svg")) writeFileSync(to, readFileSync(from, "utf8").replace(NAMESPACE, ""));
  else cpSync(from, to);
  noted[to.slice(web.length + 1)] = createHash("sha256").update(readFileSync(to)).digest("hex");
}
