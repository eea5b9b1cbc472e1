// The connection to the device. It is made anew when it breaks.
const protocol = "usbhsm7.screen.1";

// connect calls on.screen, on.drawer and on.refused with what the device says,
// on.picture with what it draws, one after the other, and on.state with what is
// wrong with the connection, or "".
export function connect(on) {
  let socket;
  let queue = Promise.resolve();

  function receive(event) {
    queue = queue.then(() => {
      if (typeof event.data !== "string") return on.picture(event.data);
      const message = JSON.parse(event.data);
      return on[message.type]?.(message);
    }).catch((error) => console.error(error));
  }

  function open() {
    const token = location.hash.slice(1);
    if (!/^[\w-]+$/.test(token)) {
      on.state("The address lacks its token. Open the one that the simulator printed.");
      return;
    }
    socket = new WebSocket(`ws://${location.host}/screen`, [protocol, `token.${token}`]);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => on.state("");
    socket.onmessage = receive;
    socket.onclose = () => {
      on.state("The device does not answer, or the token is that of an earlier run. Trying again…");
      setTimeout(open, 1000);
    };
  }

  window.addEventListener("hashchange", () => location.reload());
  setTimeout(open, 0);
  return {
    send: (request) => {
      if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(request));
    },
  };
}
