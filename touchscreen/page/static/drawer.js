// The drawer of iKeys and the port.
const element = (id) => document.getElementById(id);

export class Drawer {
  // Requests go to link; inserted is called when a key was pushed into the port.
  constructor(link, inserted) {
    this.link = link;
    this.inserted = inserted;
    element("make").addEventListener("submit", (event) => {
      event.preventDefault();
      const name = element("name").value.trim();
      if (name) link.send({ do: "make", name, colour: element("colour").value });
      element("make").reset();
    });
  }

  show(keys, colours) {
    const focus = document.activeElement?.dataset?.name;
    element("drawer").hidden = false;
    if (!element("colour").children.length) {
      element("colour").append(...colours.map((colour) => new Option(colour)));
    }
    element("plugged").replaceChildren(...keys.filter((key) => key.inPort).map((key) => this.plugged(key)));
    element("port").ariaLabel = keys.some((key) => key.inPort) ? "iKey port" : "iKey port, empty";
    const lying = keys.filter((key) => !key.inPort).map((key) => this.lying(key));
    if (!lying.length) {
      const none = document.createElement("li");
      none.className = "none";
      none.textContent = keys.length ? "The only key is in the port." : "There are no keys yet. Make one below.";
      lying.push(none);
    }
    element("keys").replaceChildren(...lying);
    if (focus !== undefined) document.querySelector(`[data-name="${CSS.escape(focus)}"]`)?.focus();
  }

  lying(key) {
    const item = document.createElement("li");
    const button = item.appendChild(face(key, looks(key)));
    button.disabled = key.out;
    button.ariaLabel = `Insert ${key.name}, ${looks(key)}`;
    button.addEventListener("click", (event) => {
      if (event.detail === 0 || !button.moved) this.insert(key);
      button.moved = false;
    });
    button.addEventListener("pointerdown", (event) => this.drag(event, button, key));
    return item;
  }

  plugged(key) {
    const button = face(key, "");
    button.ariaLabel = `Pull out ${key.name}, ${looks(key)}`;
    button.title = "Pull out";
    button.addEventListener("click", () => {
      this.link.send({ do: "remove" });
      this.inserted();
    });
    return button;
  }

  insert(key) {
    this.link.send({ do: "insert", name: key.name });
    this.inserted();
  }

  // drag carries a likeness of the key until the pointer comes up.
  drag(event, button, key) {
    button.moved = false; // a key that was dropped beside the port got no click
    if (event.button !== 0 || button.disabled) return;
    const start = { x: event.clientX, y: event.clientY };
    const watch = new AbortController();
    const port = element("port");
    let likeness;
    const over = (at) => {
      const box = port.getBoundingClientRect();
      return at.clientX > box.left && at.clientX < box.right && at.clientY > box.top - 80 && at.clientY < box.bottom;
    };
    const end = () => {
      watch.abort();
      likeness?.remove();
      port.classList.remove("ready");
    };
    const on = (name, handler) => window.addEventListener(name, handler, { signal: watch.signal });
    on("pointermove", (move) => {
      if (!likeness && Math.hypot(move.clientX - start.x, move.clientY - start.y) < 6) return;
      if (!likeness) {
        button.moved = true;
        likeness = document.body.appendChild(face(key, ""));
        likeness.classList.add("dragged");
      }
      likeness.style.left = `${move.clientX - 40}px`;
      likeness.style.top = `${move.clientY - 22}px`;
      port.classList.toggle("ready", over(move));
    });
    on("pointerup", (up) => {
      const dropped = likeness && over(up);
      end();
      if (dropped) this.insert(key);
    });
    on("pointercancel", end);
  }
}

// looks tells in words what a picture of the key shows.
const looks = (key) => `${key.colour || "no"} sticker${key.note && ", " + key.note}`;

// face makes a button that looks like a key.
function face(key, note) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = `key ${key.colour}`;
  button.dataset.name = key.name;
  const token = document.createElement("span");
  token.className = "token";
  const text = document.createElement("span");
  const name = text.appendChild(document.createElement("b"));
  name.textContent = key.name;
  if (note) text.appendChild(document.createElement("small")).textContent = note;
  button.append(token, text);
  return button;
}
