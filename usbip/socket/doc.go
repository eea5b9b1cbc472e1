// Package socket is where USB/IP messages travel: it dials and listens on the
// addresses that the whole project understands, in the clear or over TLS.
//
//	127.0.0.1:3240, hsm.example:3240, [::1]:3240    TCP
//	unix:/run/hsm.sock                              a Unix socket of this machine
//
//	listener, err := socket.Listen(ctx, "unix:/run/hsm.sock", nil)
//	conn, err := socket.Dial(ctx, "unix:/run/hsm.sock", nil)
//
// With a *tls.Config the connection is encrypted and both sides prove who they
// are; [Identity] makes one from PEM files. Without, USB/IP has neither
// authentication nor encryption, and whoever reaches the address can use the
// devices: [Local] tells whether other machines can.
//
// [Pair] makes two connected sockets for a server and a host in one process.
//
// Every connection made here is probed, so that a peer which vanished without a
// word is noticed after 25 seconds: see [KeepAlive].
package socket
