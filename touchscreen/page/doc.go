// Package page shows the touchscreen in a web browser, with the drawer of iKeys
// and the port beside it. It is for people who have no device in their hands.
//
//	page := page.New(panel, drawer, token)
//	defer page.Close()
//	server := http.Server{Handler: page}
//	fmt.Println(page.URL(listener.Addr()))
//
// # Who may look
//
// The page is for the machine that it runs on: it answers only requests to a
// loopback host, and its WebSocket only pages of its own origin that know the
// token. The token stands in the fragment of the address, which browsers send to
// nobody; the script of the page hands it over as a subprotocol.
//
// # What travels
//
// The browser draws nothing itself. It gets what changed of the picture, what a
// screen reader says, and where it can be touched; it sends fingers and keys. So
// a PIN is known to it for as long as somebody types, and never comes back.
//
// To the browser, as text, JSON: an object of type "screen", "drawer" or
// "refused" (see message.go). As binary: rectangles, one after the other, each
// with its left edge and its top (2 bytes each), the length of a PNG (4 bytes),
// all big-endian, and the PNG. To the device, as text, JSON: see request.
package page
