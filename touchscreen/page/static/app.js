// The page of the touchscreen: it shows the picture that the device draws, lays a
// button over each thing that can be touched, and sends back what people do.
import { connect } from "./link.js";
import { Drawer } from "./drawer.js";

const element = (id) => document.getElementById(id);
const screen = element("screen");
const context = element("picture").getContext("2d");
const size = { width: 480, height: 800 };
let shown = 0; // the screen that is seen; goes back with each touch and key

const link = connect({
  screen: (m) => {
    if (m.screen !== shown) {
      shown = m.screen;
      if (element("controls").contains(document.activeElement)) screen.focus();
    }
    if (m.controls) place(m.controls);
    if (m.text !== undefined) element("said").textContent = m.text.replace(/•+ /g, ""); // the count is enough
  },
  drawer: (m) => {
    notify("", 0); // what was refused before is history
    drawer.show(m.keys, m.colours);
  },
  refused: (m) => notify(m.text, 6000),
  picture: draw,
  state: (text) => {
    document.body.classList.toggle("away", text !== "");
    notify(text, 0);
  },
});
const drawer = new Drawer(link, () => screen.focus());

const act = (what, fields) => link.send({ do: what, screen: shown, ...fields });

// draw puts rectangles on the picture: x, y, length of the PNG, PNG.
async function draw(buffer) {
  const view = new DataView(buffer);
  const pieces = [];
  for (let at = 0; at < buffer.byteLength; ) {
    const length = view.getUint32(at + 4);
    const png = new Blob([new Uint8Array(buffer, at + 8, length)], { type: "image/png" });
    pieces.push({ x: view.getUint16(at), y: view.getUint16(at + 2), image: createImageBitmap(png) });
    at += 8 + length;
  }
  const images = await Promise.all(pieces.map((piece) => piece.image));
  pieces.forEach((piece, i) => context.drawImage(images[i], piece.x, piece.y));
}

// place lays a button over each thing that can be touched. What stays keeps its
// button, and so the focus.
function place(controls) {
  const all = element("controls");
  const before = new Map([...all.children].map((button) => [button.textContent, button]));
  const focus = document.activeElement;
  const buttons = controls.map((control) => {
    const button = before.get(control.name) ?? newButton(control.name);
    before.delete(control.name);
    button.style.left = percent(control.x, size.width);
    button.style.top = percent(control.y, size.height);
    button.style.width = percent(control.w, size.width);
    button.style.height = percent(control.h, size.height);
    button.middle = { x: Math.round(control.x + control.w / 2), y: Math.round(control.y + control.h / 2) };
    return button;
  });
  const within = all.contains(focus);
  if (buttons.length !== all.children.length || buttons.some((button, i) => button !== all.children[i])) {
    all.replaceChildren(...buttons);
  }
  if (buttons.includes(focus)) focus.focus({ preventScroll: true });
  else if (within || focus === document.body) screen.focus({ preventScroll: true });
}

const percent = (part, whole) => `${(100 * part) / whole}%`;

function newButton(name) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = name;
  // A finger or a mouse is seen by the screen; this is the keyboard and the screen reader.
  button.addEventListener("click", (event) => {
    if (event.detail === 0) act("tap", button.middle);
  });
  return button;
}

// pixel returns where on the picture a pointer is.
function pixel(event) {
  const box = screen.getBoundingClientRect();
  return {
    x: Math.floor(((event.clientX - box.left) * size.width) / box.width),
    y: Math.floor(((event.clientY - box.top) * size.height) / box.height),
  };
}

let down = false; // a finger is on the screen
screen.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  event.preventDefault(); // the focus stays where it is
  screen.focus({ preventScroll: true, focusVisible: false });
  down = true;
  act("down", pixel(event));
});
window.addEventListener("pointerup", (event) => lift(pixel(event))); // beside the screen, it touches nothing
window.addEventListener("pointercancel", () => lift({ x: -1, y: -1 })); // the finger scrolls or zooms the page

function lift(at) {
  if (down) act("up", at);
  down = false;
}

// The wheel turns a list that is longer than the screen (layout_list.go names what
// it turns with); otherwise it turns the page.
const long = () => [...element("controls").children].some((button) => /^Items (before|after) these$/.test(button.textContent));

let turned = -Infinity; // time stamp of the last turn
screen.addEventListener("wheel", (event) => {
  if (!long()) return;
  event.preventDefault();
  if (event.timeStamp - turned < 250) return;
  turned = event.timeStamp;
  act("key", { key: event.deltaY > 0 ? "PageDown" : "PageUp" });
}, { passive: false });

const keys = new Set([..."0123456789yn", "Enter", "Escape", "Backspace", "PageUp", "PageDown",
  "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"]);

document.addEventListener("keydown", (event) => {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (!keys.has(key) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select")) return;
  if (key === "Enter" && event.target.closest("button")) return; // presses that button
  if (event.repeat && key === "Enter") return;
  event.preventDefault();
  act("key", { key });
});

let hide;
function notify(text, milliseconds) {
  const notice = element("notice");
  clearTimeout(hide);
  if (notice.textContent !== text) notice.textContent = text; // what was said is not said again
  notice.hidden = text === "";
  if (milliseconds) hide = setTimeout(() => (notice.hidden = true), milliseconds);
}
