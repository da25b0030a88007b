// A server that takes Samlepost's webhooks (docs/agency-webhooks.md), for Node 18 or newer without
// packages.
//
// WEBHOOK_SECRETS (one, or two with a space between them while you change them) and PORT are in the
// environment. Each message that is taken is a line of JSON on standard output. Put TLS before it,
// and keep the ids in your database: here they are forgotten when the server stops.

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const { WEBHOOK_SECRETS, PORT } = process.env;
const secrets = WEBHOOK_SECRETS.split(" ").map((each) => Buffer.from(each.replace(/^whsec_/, ""), "base64"));
const TOLERANCE_SECONDS = 300;
const BYTES_MAX = 20_000;
const taken = new Set();

function isSame(one, other) {
  return one.length === other.length && timingSafeEqual(one, other);
}

// `body` is as it came, byte for byte.
function isGenuine(headers, body) {
  const id = headers["webhook-id"] ?? "";
  const at = headers["webhook-timestamp"] ?? "";
  if (!id || !/^\d+$/.test(at) || Math.abs(Date.now() / 1000 - Number(at)) > TOLERANCE_SECONDS) return false;
  const given = (headers["webhook-signature"] ?? "").split(" ").map((each) => Buffer.from(each));
  return secrets.some((secret) => {
    const mac = createHmac("sha256", secret).update(`${id}.${at}.`).update(body).digest("base64");
    return given.some((each) => isSame(each, Buffer.from(`v1,${mac}`)));
  });
}

async function receive(request, answer) {
  const pieces = [];
  let length = 0;
  for await (const piece of request) {
    length += piece.length;
    if (length > BYTES_MAX) return answer.writeHead(413, { connection: "close" }).end();
    pieces.push(piece);
  }
  const body = Buffer.concat(pieces);
  if (!isGenuine(request.headers, body)) return answer.writeHead(401).end();
  const id = request.headers["webhook-id"];
  if (!taken.has(id)) {
    taken.add(id);
    console.log(JSON.stringify(JSON.parse(body)));
  }
  return answer.writeHead(204).end();
}

createServer((request, answer) => {
  receive(request, answer).catch(() => answer.destroy());
}).listen(Number(PORT), "127.0.0.1");
