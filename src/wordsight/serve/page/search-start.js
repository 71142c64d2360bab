// The scripts of the page wait for its first image, where the server wrote images into it: they come behind what is looked for.

const LONG = 1000; // milliseconds that they wait at most
const image = document.querySelector(".first img");
const shown = image?.complete === false ? new Promise((come) => ["load", "error"].forEach((name) => image.addEventListener(name, come))) : null;
const frame = () => new Promise((come) => requestAnimationFrame(come));
const painted = Promise.resolve(shown).then(image ? frame : null).then(image ? frame : null);
const late = new Promise((come) => setTimeout(come, LONG));
Promise.race([painted, late]).then(() => document.head.append(document.getElementById("scripts").content));
