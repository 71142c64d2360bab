// What the bench adds to what all pages make their elements with: drawings, and waiting until somebody has stopped typing.

export { element as make } from "/page/dom.js";

export const byId = (id) => document.getElementById(id);

export function drawn(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function show(element, text) {
  element.textContent = text;
  element.hidden = !text;
}

export function later(milliseconds, work) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), milliseconds);
  };
}

export const shortened = (text, most = 40) => (text.length <= most ? text : `${text.slice(0, most - 1)}…`);
export const quoted = (text) => `“${text}”`;
