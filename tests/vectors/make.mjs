// Makes the vectors in record/: a third implementation of docs/record-format.md, which shares
// nothing with activity/ and verify_record.py. See README.md.

import { createHash, createPrivateKey, createPublicKey, sign } from "node:crypto";
import { writeFileSync } from "node:fs";

const here = new URL("record/", import.meta.url);
const hash = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();
const byte = (value) => Buffer.from([value]);
const text = (value) => Buffer.from(value, "utf8");

// RFC 8785 for flat objects: names in order, and JSON.stringify, by which that RFC is defined.
function canonical(value) {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

// RFC 6962, section 2.1, word for word.

const leafHash = (data) => hash(byte(0), data);
const node = (left, right) => hash(byte(1), left, right);

function split(count) {
  let k = 1;
  while (k * 2 < count) k *= 2;
  return k;
}

function root(leaves) {
  if (leaves.length === 0) return hash();
  if (leaves.length === 1) return leaves[0];
  const k = split(leaves.length);
  return node(root(leaves.slice(0, k)), root(leaves.slice(k)));
}

function path(m, leaves) {
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  return m < k ? [...path(m, left), root(right)] : [...path(m - k, right), root(left)];
}

function subproof(m, leaves, whole) {
  if (m === leaves.length) return whole ? [] : [root(leaves)];
  const k = split(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  if (m <= k) return [...subproof(m, left, whole), root(right)];
  return [...subproof(m - k, right, false), root(left)];
}

const proof = (m, leaves) => subproof(m, leaves, true);

function peaks(leaves) {
  const found = [];
  for (let at = 0, bit = 2 ** 40; bit >= 1; bit /= 2) {
    if (Math.floor(leaves.length / bit) % 2) {
      found.push(root(leaves.slice(at, at + bit)));
      at += bit;
    }
  }
  return found;
}

// Keys and notes.

const seed = Buffer.alloc(32, "vector of a key ");
const name = "vectors.example/record";
const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
const secret = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
const open = createPublicKey(secret).export({ format: "der", type: "spki" }).subarray(-32);
const keyId = hash(text(`${name}\n`), byte(1), open).subarray(0, 4);
const vkey = `${name}+${keyId.toString("hex")}+${Buffer.concat([byte(1), open]).toString("base64")}`;

function note(record, leaves, sealed, previous) {
  const signed =
    `tenantry/${record}\n${leaves.length}\n${root(leaves).toString("base64")}\n` +
    `sealed ${sealed}\nprevious ${hash(text(previous)).toString("base64")}\n`;
  const signature = Buffer.concat([keyId, sign(null, text(signed), secret)]).toString("base64");
  return `${signed}\n— ${name} ${signature}\n`;
}

// Events.

const RECORD = "0199aa00-0000-7000-8000-00000000abcd";
const CLUSTER = "7381234567890123456";
const salt = (number, part) => hash(text(`${part} ${number}`)).subarray(0, 16);

const strange = [
  "plain",
  "",
  'quote " backslash \\ slash / tab \t line \n return \r bell \u0007 escape \u001b nul-like \u0001',
  "é e\u0301 ß İ ı \u2028 \u2029 \u200f \u202e \ufeff \u007f \u0080 \u00a0",
  "😀 \u{1f1e9}\u{1f1ea} \u{10ffff} \ud7ff \ue000 \uffff",
  "=HYPERLINK(1) ' ; -- <b> & %s {0} \\u0041",
];

function event(number) {
  const words = strange[number % strange.length];
  return {
    columns: {
      id: `0199aa00-0000-7000-8000-${String(1000 + number).padStart(12, "0")}`,
      occurred_at: `2026-11-23T05:13:${String(10 + (number % 50))}.${String(number * 7).padStart(6, "0")}Z`,
      action: ["user.changed", "session.started", "group.member_added"][number % 3],
      outcome: ["success", "failure", "denied"][number % 3],
      severity: "notice",
      actor_kind: "person",
      actor_id: `11111111-1111-4111-8111-${String(number).padStart(12, "0")}`,
      actor_label: `Ann ${words}`,
      on_behalf_of_id: number % 2 ? "22222222-2222-4222-8222-222222222222" : "",
      on_behalf_of_label: number % 2 ? `Eve ${words}` : "",
      target_type: "user",
      target_id: String(number),
      target_label: `Bob ${words}`,
      changes: number % 2 ? '{"n": [null, 1], "email": ["a@x.example", "ä\\n\\"b\\""]}' : "{}",
      details: number % 4 ? '{"list": [1.50, true, null], "rows": 12345678901234567890}' : "{}",
      ip: [null, "10.0.0.7", "2001:db8::1"][number % 3],
      user_agent: `Agent ${words}`,
      channel: "page",
      request_id: "0199aa00-0000-7000-8000-00000000ffff",
      session_ref: number % 2 ? "0123456789abcdef0123456789abcdef" : "",
      reason: words,
      schema_version: 1,
      xid: String(700 + Math.floor(number / 3)),
      cluster: CLUSTER,
      actor_salt: salt(number, "actor").toString("hex"),
      target_salt: salt(number, "target").toString("hex"),
    },
  };
}

const pick = (columns, names) => Object.fromEntries(names.map((one) => [one, columns[one]]));
const ACTOR = ["actor_label", "ip", "on_behalf_of_label", "session_ref", "user_agent"];
const TARGET = ["changes", "details", "reason", "target_label"];
const PLAIN = [
  ...["action", "actor_id", "actor_kind", "channel", "cluster", "id", "occurred_at"],
  ...["on_behalf_of_id", "outcome", "request_id", "schema_version", "severity", "target_id"],
  ...["target_type", "xid"],
];

function sealed(one) {
  const { columns } = one;
  const commit = (part, names) =>
    hash(Buffer.from(columns[`${part}_salt`], "hex"), text(canonical(pick(columns, names))));
  const actor = commit("actor", ACTOR).toString("hex");
  const target = commit("target", TARGET).toString("hex");
  const document = { ...pick(columns, PLAIN), actor, target, tenant: RECORD };
  return lined({ ...one, actor, target, document });
}

function lined(one) {
  const { columns, document } = one;
  const leaf = canonical(document);
  const line = canonical({
    actor: pick(columns, ACTOR),
    actor_salt: columns.actor_salt,
    leaf: document,
    target: pick(columns, TARGET),
    target_salt: columns.target_salt,
  });
  const { document: _, ...rest } = one;
  return { ...rest, document, leaf, leaf_hash: leafHash(text(leaf)).toString("hex"), line };
}

function erased(one, part) {
  const empty =
    part === "actor"
      ? { actor_label: "", ip: null, on_behalf_of_label: "", session_ref: "", user_agent: "" }
      : { changes: "{}", details: "{}", reason: "", target_label: "" };
  const columns = { ...one.columns, ...empty, [`${part}_salt`]: null };
  return lined({ ...one, columns });
}

// Bundles.

const SIZES = [5, 13, 20];

function bundle({ first, cut }) {
  const all = Array.from({ length: SIZES.at(-1) }, (_, number) => sealed(event(number)));
  const removed = cut ? [1, 3] : [];
  if (cut) {
    const last = { columns: { ...event(19).columns, action: "record.cut" } };
    last.columns.details = '{"events": 2, "through": 1, "families": ["user"]}';
    all[19] = sealed(last);
  }
  const leaves = all.map((one) => Buffer.from(one.leaf_hash, "hex"));
  const rows = all.map((one, at) => {
    if (at === 6) return erased(one, "actor");
    if (at === 7) return erased(erased(one, "actor"), "target");
    return one;
  });
  const segments = [];
  let [before, start] = ["", 0];
  let earlier = "";
  for (const [at, size] of SIZES.entries()) {
    const text = note(RECORD, leaves.slice(0, size), `2026-11-23T05:2${at}:00.000001Z`, before);
    const end = rows[size - 1].columns;
    segments.push({
      number: at + 1,
      first: start,
      events: size - start,
      cut: removed.filter((one) => one >= start && one < size).length,
      cluster: CLUSTER,
      xid: end.xid,
      event_id: end.id,
      note: text,
    });
    [before, start] = [text, size];
    if (size === first) earlier = text;
  }
  const here = segments.filter((one) => one.first >= first);
  const kept = rows.filter((_, at) => at >= first && !removed.includes(at));
  const encoded = (hashes) => hashes.map((one) => one.toString("base64"));
  const files = {
    "README.txt": "A vector.\n",
    "verify_record.py": "# A vector.\n",
    "keys.txt": `${vkey}\n`,
    "tree.json": JSON.stringify({
      before: { size: first, note: earlier, peaks: encoded(peaks(leaves.slice(0, first))) },
      size: leaves.length,
      consistency: first ? encoded(proof(first, leaves)) : [],
    }),
    "checkpoints.ndjson": here.map((one) => `${canonical(one)}\n`).join(""),
    "hashes.bin": Buffer.concat(leaves.slice(first)),
    "events.ndjson": kept.map((one) => `${one.line}\n`).join(""),
  };
  const listed = Object.entries(files).map(([file, content]) => {
    const data = Buffer.from(content);
    return { name: file, bytes: data.length, sha256: hash(data).toString("hex") };
  });
  files["manifest.json"] = JSON.stringify({
    format: "tenantry-record",
    version: 1,
    record: RECORD,
    name: "Vector",
    made_at: "2026-11-23T06:00:00.000000Z",
    filters: {},
    newest: true,
    first,
    size: leaves.length,
    segments: here.length,
    events: kept.length,
    unsealed: 0,
    members: listed,
  });
  files["hashes.bin"] = files["hashes.bin"].toString("hex");
  const parts = kept.filter((one) => [1006, 1007].includes(Number(one.columns.id.slice(-4))));
  const erasedParts = parts.reduce((sum, one) => sum + (Number(one.columns.id.slice(-1)) - 5), 0);
  return {
    key: vkey,
    checkpoints: segments.map((one) => one.note),
    expected: {
      record: RECORD,
      first,
      size: leaves.length,
      segments: here.length,
      events: kept.length,
      cut: removed.filter((one) => one >= first).length,
      erased_parts: erasedParts,
    },
    files,
  };
}

// Trees.

const small = Array.from({ length: 600 }, (_, number) => leafHash(text(`leaf ${number}`)));
const hex = (hashes) => hashes.map((one) => one.toString("hex"));
const sizes = [0, 1, 2, 3, 4, 5, 7, 8, 9, 255, 256, 257, 511, 512, 513, 600];
const of = (size) => small.slice(0, size);
const pairs = [
  ...[[1, 2], [2, 3], [3, 4], [4, 8], [5, 8], [7, 600], [8, 600], [255, 256], [256, 257]],
  ...[[256, 600], [257, 600], [511, 513], [512, 600], [599, 600], [600, 600]],
];
const trees = {
  leaf: "leaf n is the text 'leaf n'",
  roots: sizes.map((size) => ({ size, root: root(of(size)).toString("hex") })),
  peaks: sizes.map((size) => ({ size, peaks: hex(peaks(of(size))) })),
  inclusion: [[0, 1], [1, 2], [2, 3], [4, 5], [6, 9], [255, 256], [256, 257], [0, 600], [333, 600], [599, 600]].map(
    ([leaf, size]) => ({ leaf, size, path: hex(path(leaf, of(size))) }),
  ),
  consistency: pairs.map(([older, newer]) => ({ older, newer, proof: hex(proof(older, of(newer))) })),
};

const events = Array.from({ length: 12 }, (_, number) => sealed(event(number)));
const forgotten = [erased(events[1], "actor"), erased(events[3], "target")];
forgotten.push(erased(erased(events[5], "actor"), "target"));
const leaves = { record: RECORD, events: [...events, ...forgotten] };
const bundles = {
  whole: bundle({ first: 0, cut: false }),
  later: bundle({ first: 5, cut: false }),
  last: bundle({ first: 13, cut: false }),
  nothing_new: bundle({ first: 20, cut: false }),
  cut: bundle({ first: 0, cut: true }),
};
for (const [file, content] of Object.entries({ leaves, trees, bundles })) {
  writeFileSync(new URL(`${file}.json`, here), `${JSON.stringify(content, null, 1)}\n`);
}
