// The reading half of docs/minside-feed.md for Node 18 or newer, without packages.
//
// BASE_URL, MASKINPORTEN_URL and SAMLEPOST_ORG_NUMBER are in the environment; entries come from the
// JSON file in LETTERS: [{"pid", "entry", "files": [{"name", "media_type", "text"}]}].

import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const { BASE_URL, MASKINPORTEN_URL, SAMLEPOST_ORG_NUMBER, LETTERS } = process.env;
const PAGE = 100;
const base = new URL(BASE_URL);
const entries = [];
const documents = new Map();

for (const { pid, entry, files = [] } of JSON.parse(readFileSync(LETTERS, "utf8"))) {
  entry.documents = files.map(({ name, media_type, text }, index) => {
    const bytes = Buffer.from(text);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const id = `${entry.id}-${index}-${sha256.slice(0, 12)}`;
    documents.set(id, { pid, media_type, bytes });
    return { id, name, media_type, size: bytes.length, sha256, main: index === 0 };
  });
  entries.push({ pid, entry });
}

class Problem extends Error {
  constructor(status, code, detail) {
    super(detail);
    this.body = { status, code, detail };
  }
}

async function published() {
  const answer = await fetch(`${MASKINPORTEN_URL}/.well-known/oauth-authorization-server`);
  const { issuer, jwks_uri } = await answer.json();
  const { keys } = await (await fetch(jwks_uri)).json();
  return { issuer, keys };
}

async function citizen(request) {
  const refused = new Problem(401, "unauthorized", "A good token of Maskinporten's is needed");
  const [head, body, signature] = (request.headers.authorization ?? "").replace(/^Bearer /, "").split(".");
  if (!signature) throw refused;
  const { issuer, keys } = await published();
  let claims;
  try {
    const { alg, kid } = JSON.parse(Buffer.from(head, "base64url"));
    const key = createPublicKey({ key: keys.find((each) => each.kid === kid), format: "jwk" });
    const signed = verify("sha256", Buffer.from(`${head}.${body}`), key, Buffer.from(signature, "base64url"));
    if (alg !== "RS256" || !signed) throw refused;
    claims = JSON.parse(Buffer.from(body, "base64url"));
  } catch {
    throw refused;
  }
  const isGood = claims.iss === issuer && claims.exp > Date.now() / 1000
    && String(claims.scope).split(" ").includes("samlepost:feed.read")
    && [claims.aud].flat().includes(BASE_URL);
  if (!isGood) throw refused;
  if (claims.consumer?.ID !== `0192:${SAMLEPOST_ORG_NUMBER}`) throw new Problem(403, "forbidden", "Not Samlepost's");
  if (!claims.pid) throw new Problem(403, "no_citizen", "The token is for no citizen");
  return claims.pid;
}

function feed(pid, cursor) {
  if (!/^\d{1,9}$/.test(cursor) || Number(cursor) > entries.length) {
    throw new Problem(410, "cursor_expired", "Read the feed from its start");
  }
  const after = entries.map((each, index) => ({ ...each, number: index + 1 }))
    .filter((each) => each.pid === pid && each.number > Number(cursor));
  const shown = after.slice(0, PAGE);
  return {
    items: shown.map((each) => each.entry),
    next_cursor: String(shown.at(-1)?.number ?? cursor),
    more: after.length > PAGE,
  };
}

async function answer(request) {
  const pid = await citizen(request);
  const { pathname, searchParams } = new URL(request.url, BASE_URL);
  const path = decodeURIComponent(pathname.slice(base.pathname.replace(/\/$/, "").length));
  const document = documents.get(path.replace(/^\/documents\//, ""));
  if (request.method === "GET" && path === "/feed") {
    return ["application/json", JSON.stringify(feed(pid, searchParams.get("cursor") ?? "0"))];
  }
  if (request.method === "GET" && document?.pid === pid) return [document.media_type, document.bytes];
  throw new Problem(404, "not_found", "There is no such thing here");
}

createServer((request, response) => {
  answer(request)
    .then(([type, body]) => response.writeHead(200, { "Content-Type": type }).end(body))
    .catch((error) => {
      const body = error.body ?? { status: 500, code: "error", detail: "Something went wrong here" };
      response.writeHead(body.status, { "Content-Type": "application/problem+json" }).end(JSON.stringify(body));
    });
}).listen(Number(base.port), base.hostname, () => console.log("ready"));
