package boot

import (
	"fmt"

	"usbhsm7/fuf"
)

// Plan is what Begin would make of an update.
type Plan struct {
	Running fuf.Version // of the firmware that runs
	Version fuf.Version // that the update brings; zero if its head is not genuine
	Chunks  int         // of the file
	Missing int         // of these, those that are neither here nor in one of the images
	Checks  []Check     // all of them; the first one that does not hold is what Begin refuses with
}

// Plan tells what Begin would do, and changes nothing. Without an authentication
// code that is not checked, and every chunk that did not come before counts as
// missing.
func (b *Boot) Plan(head []byte, code *fuf.Authcode, facts Facts) Plan {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := Plan{Running: b.running.Version}
	_, err := b.records.current.State.next(EventBegin)
	p.add("ready for an update", "the bootloader is "+b.records.current.State.String(), err)
	u, err := b.verifier.Open(head)
	p.add("genuine", "signatures and table of chunks", err)
	if err != nil {
		return p
	}
	release := u.Manifest().Release
	p.Version, p.Chunks = release.Version, u.Chunks()
	p.add("fits the device", fmt.Sprintf("%d bytes", release.Size), b.roomFor(u))
	p.add("not installed yet", "", b.runsAlready(u))
	p.Checks = append(p.Checks, Conditions(&release, b.target(facts))...)
	if code == nil {
		p.Missing = b.missingOf(u, nil)
		return p
	}
	key, err := b.verifier.Unlock(u, *code)
	p.add("authentication code", "", err)
	if err != nil {
		p.Missing = p.Chunks
		return p
	}
	defer key.Wipe()
	p.Missing = b.missingOf(u, b.knownChunks(key))
	return p
}

// add adds a check, with the detail of what holds; what does not tells that itself.
func (p *Plan) add(name, detail string, err error) {
	if err != nil {
		detail = err.Error()
	}
	p.Checks = append(p.Checks, Check{name, detail, err})
}

// missingOf counts the chunks of an update that a host would have to send.
func (b *Boot) missingOf(u *fuf.Update, known map[fuf.Tag][]byte) (n int) {
	same := b.upload != nil && b.upload.update.ID() == u.ID()
	for i := range u.Chunks() {
		_, here := known[u.Tag(i)]
		if !here && !(same && b.upload.have[i]) {
			n++
		}
	}
	return n
}
