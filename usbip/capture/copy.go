package capture

import (
	"errors"
	"io"
)

// Copy writes the packets of r to sink as they come, until r ends or there are
// most packets (0 = no limit), and closes sink in any case. A packet that is not
// one of usbmon is an error, as are those of Reader.Next and sink; io.EOF is not.
func Copy(sink Sink, r *Reader, most uint64) (total Statistics, err error) {
	for most == 0 || total.Packets < most {
		before := r.Dropped()
		var p *Packet
		if p, err = r.Next(); err != nil {
			break
		}
		total.Packets++
		total.Bytes += uint64(len(p.Data))
		if err = sink.Write(p, r.Dropped()-before); err != nil {
			break
		}
		if r.waits() {
			total.Dropped = r.Dropped()
			if err = sink.Flush(total); err != nil {
				break
			}
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	total.Dropped = r.Dropped()
	return total, errors.Join(err, sink.Close(total))
}
