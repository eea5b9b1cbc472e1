package main

import (
	"errors"
	"io"
	"net"
)

// pingPong exchanges messages of a header's size over bare TCP.
func (w *wire) pingPong() (load, error) {
	conn, err := w.pair(func(far net.Conn) error {
		message := make([]byte, headerSize)
		for {
			if _, err := io.ReadFull(far, message); err != nil {
				return err
			}
			if _, err := far.Write(message); err != nil {
				return err
			}
		}
	})
	message := make([]byte, headerSize)
	return load{do: func(int) error {
		if _, err := conn.Write(message); err != nil {
			return err
		}
		_, err := io.ReadFull(conn, message)
		return err
	}}, err
}

// stream reads, a quarter of a MiB at a time, what the other end of a bare TCP
// connection writes 16 KiB at a time. One call is one megabyte.
func (w *wire) stream() (load, error) {
	conn, err := w.pair(func(far net.Conn) error {
		data := make([]byte, bulkSize)
		for {
			if _, err := far.Write(data); err != nil {
				return err
			}
		}
	})
	buffer := make([]byte, 256<<10)
	return load{units: 1, do: func(int) error {
		for left := int(1e6); left > 0; {
			n, err := conn.Read(buffer[:min(left, len(buffer))])
			if err != nil {
				return err
			}
			left -= n
		}
		return nil
	}}, err
}

// pair returns one end of a TCP connection over the loopback interface; serve
// has the other, until the wire is taken down.
func (w *wire) pair(serve func(far net.Conn) error) (net.Conn, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	near, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return nil, err
	}
	far, err := listener.Accept()
	if err != nil {
		return nil, errors.Join(err, near.Close())
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = serve(far) // until one end is closed
	}()
	w.closers = append(w.closers, func() error {
		err := errors.Join(near.Close(), far.Close())
		<-ended
		return err
	})
	return near, nil
}
