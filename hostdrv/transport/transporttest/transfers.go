package transporttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
	"usbhsm7/hostdrv/transport"
)

// lengths sends transfers around the sizes of a packet, at each speed, and of the
// longest transfer. An echo comes back in a transfer of the same length; what is too
// short for a frame is answered as garbage, and nothing as nothing.
func lengths(t *testing.T, goal Target) {
	c := begin(t, open(t, goal))
	for _, size := range []int{319, 320, 321, 511, 512, 513, 1023, 1024, 1025, frame.MaxTransfer - 1, frame.MaxTransfer} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			sent := c.echo(size)
			c.write(sent)
			got := c.read()
			if len(got) != size || !bytes.Equal(got[frame.HeaderSize:], sent[frame.HeaderSize:]) {
				t.Errorf("the echo of %d bytes has %d, or other content", size, len(got))
			}
		})
	}
	t.Run("0", func(*testing.T) {
		c.write(nil)
		c.alive()
	})
	t.Run("1", func(t *testing.T) {
		c.write([]byte{0x48})
		if m := c.next(); m.Tag != 0 || command.Status(m.Code) != command.StatusCommandMalformed {
			t.Errorf("one byte was answered with tag %d, %v", m.Tag, command.Status(m.Code))
		}
		c.alive()
	})
}

func severalFrames(t *testing.T, goal Target) {
	c := begin(t, open(t, goal))
	const count = 5
	var transfer []byte
	missing := map[uint32]bool{}
	for i := range count {
		transfer = append(transfer, c.echo(300+i)...)
		missing[c.lastTag] = true
	}
	c.write(transfer)
	for range count {
		m := c.next()
		if !missing[m.Tag] {
			t.Fatalf("response to tag %d, which is not in flight", m.Tag)
		}
		delete(missing, m.Tag)
	}
}

// cancelledRead lets reads be cancelled before, while and after a response
// arrives. Each response must still come, once and whole.
func cancelledRead(t *testing.T, goal Target) {
	c := begin(t, open(t, goal))
	idle, stop := context.WithCancel(deadline(t))
	ended := make(chan error)
	go func() {
		_, err := c.link.Read(idle, make([]byte, readBuffer))
		ended <- err
	}()
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("a read that was cancelled returned %v", err)
	}
	for i := range 50 {
		size := 600 + 512*(i%4)
		sent := c.echo(size)
		racing, stop := context.WithCancel(deadline(t))
		c.write(sent)
		go stop()
		buffer := make([]byte, readBuffer)
		n, err := c.link.Read(racing, buffer)
		if errors.Is(err, context.Canceled) {
			n, err = c.link.Read(deadline(t), buffer)
		}
		if err != nil || n != size || !bytes.Equal(buffer[frame.HeaderSize:n], sent[frame.HeaderSize:]) {
			t.Fatalf("read %d: %d bytes, %v; want the echo of %d", i, n, err, size)
		}
	}
}

// cancelledWrite floods the device and reads nothing, until it takes no more:
// a write that waits then must end with its context.
func cancelledWrite(t *testing.T, goal Target) {
	link := open(t, goal)
	c := begin(t, link)
	done, stop := context.WithCancel(t.Context())
	stop()
	if err := link.Write(done, c.echo(600)); !errors.Is(err, context.Canceled) {
		t.Fatalf("a write whose context had ended returned %v", err)
	}
	const patience = 250 * time.Millisecond
	const enough = 2000 // transfers, far more than any queue holds
	for range enough {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err := link.Write(ctx, c.echo(frame.MaxTransfer))
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return
		}
		if err != nil {
			t.Fatalf("write: %v", err)
		}
	}
	t.Fatalf("the device took %d transfers that it could not answer", enough)
}

func closedWhileReading(t *testing.T, goal Target) {
	link := open(t, goal)
	begin(t, link)
	ended := make(chan error, 2)
	go func() {
		_, err := link.Read(deadline(t), make([]byte, readBuffer))
		ended <- err
	}()
	go func() {
		_, err := link.ReadEvent(deadline(t), make([]byte, readBuffer))
		ended <- err
	}()
	if err := link.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	for range 2 {
		if err := <-ended; !errors.Is(err, transport.ErrClosed) {
			t.Errorf("a read ended with %v, want %v", err, transport.ErrClosed)
		}
	}
}

func closedLink(t *testing.T, goal Target) {
	link := open(t, goal)
	for range 2 {
		if err := link.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	buffer := make([]byte, readBuffer)
	_, readErr := link.Read(deadline(t), buffer)
	_, eventErr := link.ReadEvent(deadline(t), buffer)
	for name, err := range map[string]error{
		"Read": readErr, "ReadEvent": eventErr, "Write": link.Write(deadline(t), buffer[:32]),
	} {
		if !errors.Is(err, transport.ErrClosed) {
			t.Errorf("%s after Close: %v, want %v", name, err, transport.ErrClosed)
		}
	}
}

func overrun(t *testing.T, goal Target) {
	c := begin(t, open(t, goal))
	c.write(c.echo(2000))
	if n, err := c.link.Read(deadline(t), make([]byte, 1024)); !errors.Is(err, transport.ErrOverrun) {
		t.Errorf("a transfer of 2000 bytes into 1024: %d bytes, error %v, want %v", n, err, transport.ErrOverrun)
	}
	c.alive()
}
