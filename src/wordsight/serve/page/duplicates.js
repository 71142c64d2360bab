// The review of duplicates: groups side by side, what is kept and why, a choice for each image, then a plan that is
// carried out and can be taken back.

import { ask, imageAddress, listen } from "./api.js";
import { openDialog } from "./dialog.js";
import { announce, button, bytes, count, element, many } from "./dom.js";

const KINDS = [
  ["exact", "equal files", true],
  ["near", "nearly the same", true],
  ["crop", "crops", true],
  ["flip", "mirrored", true],
  ["burst", "bursts", false],
  ["stack", "raw and JPEG", false],
  ["alike", "similar, no copies", false],
];
const COPIES = new Set(["exact", "near", "crop", "flip"]); // what is proposed to be moved
const RULES = [
  ["", "the largest and best"],
  ["oldest,pixels,format,bytes", "the oldest"],
  ["newest,pixels,format,bytes", "the newest"],
  ["details,pixels,format,bytes", "the best described"],
  ["shortest,pixels,format,bytes", "the shortest path"],
];
const TITLES = {
  exact: "Equal files",
  near: "Nearly the same",
  crop: "Crops",
  flip: "Mirrored",
  burst: "Bursts",
  stack: "Raw and JPEG",
  alike: "Similar, no copies",
};
const AT_ONCE = 60; // groups that are put on the page at a time

const id = (name) => document.getElementById(name);

class Review {
  constructor() {
    this.groups = [];
    this.plan = null;
    this.scopes = [];
    id("kinds").append(
      ...KINDS.map(([kind, label, checked]) => {
        const box = element("input", { type: "checkbox", name: "kind", value: kind, checked, id: `kind-${kind}` });
        return element("label", { class: "tick", for: box.id }, box, element("span", {}, label));
      }),
    );
    id("keep").append(...RULES.map(([value, label]) => element("option", { value }, label)));
    id("sought").addEventListener("submit", (event) => {
      event.preventDefault();
      this.find();
    });
    this.#enable(false);
    document.addEventListener("key-given", () => this.start());
    this.start();
  }

  // Without a library that is known, nothing can be looked for.
  #enable(on) {
    for (const one of id("sought").elements) one.disabled = !on;
  }

  async start() {
    this.#fail("");
    try {
      const status = await ask("/api/status");
      this.scopes = status.scopes ?? [];
      const names = status.libraries.map((one) => one.name);
      const asked = new URLSearchParams(location.search).get("in");
      this.name = names.includes(asked) ? asked : names[0];
      if (names.length > 1) {
        const select = element("select", { id: "library", onchange: () => location.assign(`/duplicates?in=${encodeURIComponent(select.value)}`) });
        select.append(...names.map((name) => element("option", { value: name, selected: name === this.name }, name)));
        id("shell-aside").replaceChildren(element("label", { class: "unseen", for: "library" }, "Library"), select);
      }
      this.#enable(Boolean(this.name));
      if (!this.name) this.#fail("no library is served; start the server with one");
    } catch (error) {
      this.#enable(false);
      this.#fail(error.message);
      id("problem").append(" ", button("Try again", () => this.start()));
    }
  }

  get path() {
    return `/api/libraries/${encodeURIComponent(this.name)}/duplicates`;
  }

  #fail(text) {
    id("problem").textContent = text;
  }

  async find() {
    const kinds = [...document.querySelectorAll("[name=kind]:checked")].map((one) => one.value);
    const where = id("where").value.trim();
    const keep = id("keep").value;
    const [bar, said] = id("progress").children;
    this.#fail("");
    if (!kinds.length) return this.#fail("choose what to look for");
    id("find").disabled = true;
    id("progress").hidden = false;
    id("foot").hidden = true;
    id("groups").replaceChildren();
    bar.removeAttribute("value");
    said.textContent = "Comparing images…";
    let answer = null;
    try {
      await listen(this.path, { kinds, ...(where ? { where } : {}), ...(keep ? { keep } : {}) }, (name, data) => {
        if (name === "progress") {
          if (data.total) bar.value = data.done / data.total;
          said.textContent = data.total ? `${data.stage || "Comparing"}: ${count(data.done)} of ${count(data.total)}` : data.stage || "Comparing images…";
        } else if (name === "done") answer = data;
        else if (name === "error") this.#fail([data.problem, data.cure].filter(Boolean).join("; "));
      });
    } catch (error) {
      this.#fail(error.message);
    } finally {
      id("find").disabled = false;
      id("progress").hidden = true;
    }
    if (answer) this.#show(answer);
    return undefined;
  }

  #show(answer) {
    this.groups = answer.groups.map((group) => {
      const members = group.members.some((one) => one.key === group.kept) ? group.members : [{ key: group.kept, kind: "kept" }, ...group.members];
      const kind = group.kind ?? members.find((one) => one.key !== group.kept)?.kind ?? "near";
      return { ...group, kind, members: members.map((one) => ({ ...one, goes: one.action ? one.action === "move" : one.key !== group.kept && COPIES.has(one.kind) })) };
    });
    this.shown = 0;
    this.kind = "";
    if (!this.groups.length) {
      id("groups").replaceChildren(element("h2", {}, "No duplicates"), element("p", { class: "quiet" }, "No image of this library shows the same as another."));
      announce("No duplicates");
      return;
    }
    announce(`${many(this.groups.length, "group")} of duplicates`);
    this.#more();
    this.#count();
  }

  #more() {
    const root = id("groups");
    root.querySelector(".rest")?.remove();
    for (const group of this.groups.slice(this.shown, this.shown + AT_ONCE)) {
      if (group.kind !== this.kind) {
        this.kind = group.kind;
        const size = this.groups.filter((one) => one.kind === group.kind).length;
        root.append(element("h2", {}, `${TITLES[group.kind] ?? group.kind} `, element("span", { class: "quiet" }, count(size))));
      }
      root.append(this.#group(group));
    }
    this.shown += AT_ONCE;
    const left = this.groups.length - this.shown;
    if (left <= 0) return;
    const rest = button(`Show ${count(Math.min(AT_ONCE, left))} more groups`, () => this.#more(), { class: "rest" });
    root.append(rest);
    new IntersectionObserver((seen, observer) => {
      if (!seen.some((one) => one.isIntersecting)) return;
      observer.disconnect();
      if (rest.isConnected) this.#more();
    }, { rootMargin: "600px" }).observe(rest);
  }

  #group(group) {
    const freed = element("p", { class: "quiet" });
    const members = group.members.map((member) => this.#member(group, member, () => show()));
    const show = () => {
      const gone = group.members.filter((one) => one.goes);
      freed.textContent = gone.length ? `${many(gone.length, "image")} would be moved to the trash folder (${bytes(sizeOf(gone))})` : "All are kept";
      this.#count();
    };
    show();
    return element("article", { class: group.members.length > 2 ? "group wide" : "group" }, freed, element("ul", { class: "members" }, ...members));
  }

  #member(group, member, changed) {
    const isKept = member.key === group.kept;
    const name = member.key.split("/").pop();
    const radio = `m${(this.numbered = (this.numbered ?? 0) + 1)}`;
    const shown = element("li", { class: "member" });
    const mark = () => {
      shown.classList.toggle("goes", member.goes);
      shown.classList.toggle("stays", !member.goes);
    };
    const choose = (goes) => () => {
      member.goes = goes;
      mark();
      changed();
    };
    const choice = (label, goes) => {
      const input = element("input", { type: "radio", name: radio, checked: member.goes === goes, onchange: choose(goes), "aria-label": `${label}: ${name}` });
      return element("label", {}, input, label);
    };
    const facts = [
      member.width && member.height ? `${member.width} × ${member.height}` : "",
      member.size ? bytes(member.size) : "",
      typeof member.similarity === "number" && !isKept ? `similarity ${member.similarity.toFixed(3)}` : "",
    ];
    const reason = isKept ? "the one to keep" : [LABELS[member.kind] ?? member.kind, datesOf(member.why)].filter(Boolean).join("; ");
    const address = imageAddress(this.name, member.key, "originals");
    shown.append(
      element("a", { class: "image", href: address, target: "_blank", rel: "noopener" }, element("img", { src: imageAddress(this.name, member.key, "thumbnails", 384), alt: name, loading: "lazy", decoding: "async" })),
      element("div", { class: "choice", role: "group", "aria-label": `What becomes of ${name}` }, choice("Keep", false), choice("Move", true)),
      element("span", { class: "name", title: member.key }, member.key),
      element("span", { class: "quiet" }, facts.filter(Boolean).join(" · ")),
      element("span", { class: "quiet" }, reason),
    );
    mark();
    return shown;
  }

  get #moves() {
    return this.groups
      .map((group) => ({ kept: group.members.find((one) => !one.goes)?.key ?? null, gone: group.members.filter((one) => one.goes), group }))
      .filter((one) => one.gone.length);
  }

  #count() {
    const moves = this.#moves;
    const gone = moves.flatMap((one) => one.gone);
    const empty = moves.filter((one) => one.kept === null).length;
    const foot = id("foot");
    foot.hidden = !this.groups.length;
    const review = button("Look at the plan", () => this.#review(), { class: "main", disabled: !gone.length || empty > 0 });
    const text = empty ? `${many(empty, "group")} would keep nothing: choose one to keep` : `${many(gone.length, "image")} to move to the trash folder (${bytes(sizeOf(gone))})`;
    foot.replaceChildren(element("span", { class: empty ? "problem" : "" }, text), review);
  }

  #review() {
    const moves = this.#moves;
    const gone = moves.flatMap((one) => one.gone);
    const said = element("p", { class: "problem", role: "alert" });
    const may = this.scopes.includes("write");
    const apply = button(`Move ${many(gone.length, "image")}`, () => run(), { class: "main", disabled: !may });
    const list = element("ul", { class: "plan", tabIndex: 0, "aria-label": "Images that are moved" }, ...gone.slice(0, 1000).map((one) => element("li", {}, one.key)));
    const shown = openDialog(
      "The plan",
      { class: "small" },
      element(
        "div",
        { class: "stack" },
        element("h2", {}, "The plan"),
        element("p", {}, `${many(gone.length, "image")} of ${many(moves.length, "group")} go to the trash folder of the library: ${bytes(sizeOf(gone))}, free once you empty it. A plan file is kept, and Undo puts all of them back.`),
        list,
        may ? null : element("p", { class: "problem" }, "Your key may only read: ask for one that may write."),
        said,
        element("p", { class: "cures" }, apply, button("Cancel", () => shown.close())),
      ),
    );
    const run = async () => {
      apply.disabled = true;
      try {
        const groups = moves.map((one) => ({ kept: one.group.members.some((m) => m.key === one.group.kept && !m.goes) ? one.group.kept : one.kept, move: one.gone.map((m) => m.key) }));
        const answer = await ask(`${this.path}/apply`, { groups });
        shown.close();
        this.#applied(answer, sizeOf(gone));
      } catch (error) {
        said.textContent = error.message;
        apply.disabled = false;
      }
    };
  }

  #applied(answer, size) {
    this.groups = [];
    id("groups").replaceChildren();
    id("foot").hidden = true;
    const failed = numberOf(answer.failed);
    const text = `${many(numberOf(answer.moved), "image")} moved to the trash folder (${bytes(size)})${failed ? `; ${count(failed)} could not be moved` : ""}.`;
    const undo = button("Undo", async () => {
      undo.disabled = true;
      try {
        const back = await ask(`${this.path}/undo`, { plan: answer.plan });
        const missed = numberOf(back.failed);
        id("undo").replaceChildren(`${many(numberOf(back.restored), "image")} put back${missed ? `; ${count(missed)} could not be` : ""}.`, button("Find again", () => this.find()));
        announce(id("undo").textContent);
      } catch (error) {
        this.#fail(error.message);
        undo.disabled = false;
      }
    });
    id("undo").replaceChildren(text, undo, button("Find again", () => this.find()));
    id("undo").hidden = false;
    undo.focus();
    announce(text);
  }
}

const LABELS = { exact: "equal file", near: "nearly the same", crop: "a crop", flip: "mirrored", burst: "of a burst", stack: "same shot", alike: "similar" };

// Moments in a reason, as people write dates; with the time where days alone do not tell them apart.
function datesOf(text) {
  const moments = /\d{4}-\d\d-\d\dT[\d:.]+Z?/g;
  const written = (one, style) => new Date(one).toLocaleString(undefined, style);
  const days = (text ?? "").match(moments)?.map((one) => written(one, { dateStyle: "medium" })) ?? [];
  const style = { dateStyle: "medium", ...(new Set(days).size < days.length ? { timeStyle: "medium" } : {}) };
  return (text ?? "").replace(moments, (one) => written(one, style));
}
const sizeOf = (members) => members.reduce((sum, one) => sum + (one.size ?? 0), 0);
const numberOf = (value) => (Array.isArray(value) ? value.length : (value ?? 0));

new Review();
