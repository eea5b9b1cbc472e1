// Package boottest makes firmware updates for tests and rehearsals of the
// bootloader, signed with the published keys of the simulator.
package boottest

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"usbhsm7/firmware/boot"
	"usbhsm7/fuf"
	"usbhsm7/fuf/testkeys"
)

// Product and Model are those that the updates are for.
const (
	Product = "usbhsm7"
	Model   = "U700"
)

// Code is the authentication code of every update.
var Code = fuf.Authcode{7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7}

// Verifier trusts the published keys.
func Verifier() boot.Verifier { return boot.Trusting(testkeys.Trust(), testkeys.Models()) }

// Config is that of a bootloader which takes these updates.
func Config() boot.Config {
	return boot.Config{Verifier: Verifier(), Product: Product, Model: Model}
}

// Update is a firmware update in parts.
type Update struct {
	Image  *boot.Image // nil: it is not known
	Head   []byte
	Chunks [][]byte
}

// Image returns firmware whose encoding has about so many bytes, most of them
// random but the same for the same seed.
func Image(version fuf.Version, security uint32, bytes int, seed uint64) *boot.Image {
	m := boot.Factory()
	m.Version, m.SecurityVersion = version, security
	m.Resources = make([]byte, max(1, bytes-128))
	random := rand.New(rand.NewPCG(seed, 11))
	for i := range m.Resources {
		m.Resources[i] = byte(random.Uint32())
	}
	return m
}

// Release describes an image: valid from any version, for Model.
func Release(m *boot.Image) fuf.Release {
	return fuf.Release{
		Kind: fuf.Firmware, Product: Product, Models: []string{Model},
		Version: m.Version, SecurityVersion: m.SecurityVersion,
		ValidFrom: []fuf.Range{{From: fuf.V(0, 0, 0), To: fuf.V(99, 0, 0)}},
		Data:      fuf.DataChange{From: m.DataSchema, To: m.DataSchema}, Rollback: fuf.RollbackDestroys,
	}
}

// Convert has an image convert the data to data schema 2, which takes so many minutes,
// and returns the release that says so.
func Convert(m *boot.Image, minutes uint32) fuf.Release {
	m.DataSchema, m.Migrations = 2, []boot.Migration{{From: 1, Class: fuf.MigrateInPlace}}
	r := Release(m)
	r.Data = fuf.DataChange{From: 1, To: 2, Class: fuf.MigrateInPlace, Minutes: minutes}
	return r
}

// File is an update as the driver takes it.
type File struct{ *Update }

// Head returns the head of the file.
func (f File) Head() ([]byte, error) { return f.Update.Head, nil }

// Chunk returns a chunk as it stands in the file.
func (f File) Chunk(i int) ([]byte, error) { return f.Chunks[i], nil }

// New returns the update that installs an image.
func New(m *boot.Image) (*Update, error) { return Make(m, Release(m)) }

// Make returns an update with a release of its own.
func Make(m *boot.Image, r fuf.Release) (*Update, error) {
	file, err := SignImage(m, r)
	if err != nil {
		return nil, err
	}
	u, err := Split(file)
	if err != nil {
		return nil, err
	}
	u.Image = m
	return u, nil
}

// Split returns the parts of a file, which it does not verify. The error carries a
// fuf.Reason.
func Split(file []byte) (*Update, error) {
	size, err := fuf.HeadSize(file)
	if err != nil {
		return nil, err
	}
	if size > len(file) {
		return nil, fuf.ErrLength
	}
	u := &Update{Head: file[:size]}
	for chunk := range slices.Chunk(file[size:], fuf.ChunkSize+fuf.Overhead) {
		u.Chunks = append(u.Chunks, chunk)
	}
	return u, nil
}

// SignImage returns the file of an update with a release of its own; see Sign.
func SignImage(m *boot.Image, r fuf.Release) ([]byte, error) {
	payload, err := m.Encode()
	if err != nil {
		return nil, err
	}
	return Sign(r, payload)
}

// Sign returns a file by the vendor with any payload. Two files of one payload have the
// same length and release but other bytes: crypto/hpke draws the secret of a file itself
// and takes no source of randomness, and all that is encrypted or signed follows from it.
func Sign(r fuf.Release, payload []byte) ([]byte, error) {
	draft, err := fuf.Build(r, payload, testkeys.Models().PublicKey(), Code)
	if err != nil {
		return nil, fmt.Errorf("build an update: %w", err)
	}
	for _, key := range testkeys.Vendor() {
		if err := draft.Sign(key); err != nil {
			return nil, fmt.Errorf("sign an update: %w", err)
		}
	}
	return draft.Bytes()
}

// Licence returns a capability update with a licence: for Model, with any firmware.
func Licence(l *boot.Licence) ([]byte, error) {
	payload, err := l.Encode()
	if err != nil {
		return nil, err
	}
	r := Release(boot.Factory())
	r.Kind, r.Version = fuf.Capability, fuf.V(1, 0, 0)
	return Sign(r, payload)
}

// Module returns the file of a functional module: for Model, with any firmware.
func Module(m *boot.Module) ([]byte, error) {
	payload, err := m.Encode()
	if err != nil {
		return nil, err
	}
	r := Release(boot.Factory())
	r.Kind, r.Version = fuf.Module, m.Version
	return Sign(r, payload)
}

// Upload sends what is missing of the update, and stages it.
func (u *Update) Upload(b *boot.Boot) error { return u.upload(b, Code, roomy) }

// roomy is what a device without any particulars tells the bootloader.
var roomy = boot.Facts{FreePercent: 100}

func (u *Update) upload(b *boot.Boot, code fuf.Authcode, facts boot.Facts) error {
	if err := b.Begin(u.Head, code, facts); err != nil {
		return err
	}
	status, err := b.Status()
	if err != nil {
		return err
	}
	for i, have := range status.Have {
		if have {
			continue
		}
		if err := b.Chunks(i, u.Chunks[i]); err != nil {
			return err
		}
	}
	return b.Stage()
}

// Install installs the update on a region, to the confirmation, and returns the
// bootloader that runs it.
func (u *Update) Install(open func() (*boot.Boot, error)) (*boot.Boot, error) {
	return u.InstallWith(Code, roomy, open)
}

// InstallWith is Install of an update with another authentication code, on a device
// with particulars.
func (u *Update) InstallWith(code fuf.Authcode, facts boot.Facts, open func() (*boot.Boot, error)) (*boot.Boot, error) {
	if err := u.ActivateWith(code, facts, open); err != nil {
		return nil, err
	}
	b, err := open()
	if err != nil {
		return nil, err
	}
	return b, b.Confirm()
}

// ActivateWith is InstallWith up to where the device is about to restart in the new
// firmware.
func (u *Update) ActivateWith(code fuf.Authcode, facts boot.Facts, open func() (*boot.Boot, error)) error {
	b, err := open()
	if err != nil {
		return err
	}
	defer b.Close()
	if err := u.upload(b, code, facts); err != nil {
		return err
	}
	return b.Activate()
}
