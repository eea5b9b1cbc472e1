package policies

import (
	"fmt"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/fuf"
)

// offers are the files that are offered, made when they are first wanted.
type offers map[offer][]byte

type offer struct {
	kind fuf.Kind // that is asked for
	name string   // value of the axis
}

// head returns the head of a file.
func (o offers) head(kind fuf.Kind, name string) ([]byte, error) {
	file, err := o.file(kind, name)
	if err != nil {
		return nil, err
	}
	size, err := fuf.HeadSize(file)
	return file[:size], err
}

// file returns a file.
func (o offers) file(kind fuf.Kind, name string) ([]byte, error) {
	wanted := offer{kind, name}
	if file := o[wanted]; file != nil {
		return file, nil
	}
	file, err := wanted.make()
	if err != nil {
		return nil, fmt.Errorf("policies: file %s: %w", name, err)
	}
	o[wanted] = file
	return file, nil
}

// make makes the file.
func (o offer) make() ([]byte, error) {
	r, payload, err := o.draft()
	if err != nil {
		return nil, err
	}
	switch o.name {
	case "model":
		r.Models = []string{"U690"}
	case "path":
		delivered := boot.Factory().Version
		r.ValidFrom = []fuf.Range{{From: delivered, To: delivered}}
	case "policy":
		r.Requires.PoliciesOff = []uint32{policyThatIsOn}
	case "over":
		r.NotAfter = begins.Unix()
	}
	file, err := boottest.Sign(r, payload)
	if err == nil && o.name == "forged" {
		file[len(file)/2] ^= 1 // in a signature
	}
	return file, err
}

// draft returns the release and the payload before anything is wrong with them.
func (o offer) draft() (r fuf.Release, payload []byte, err error) {
	if (o.kind == fuf.Capability) == (o.name == "kind") {
		security := uint32(updatedSecurity)
		if o.name == "security" {
			security = olderSecurity
		}
		image := boottest.Image(fuf.V(7, 9, 6), security, payloadSize, 9)
		payload, err = image.Encode()
		return boottest.Release(image), payload, err
	}
	r = boottest.Release(boot.Factory())
	r.Kind, r.Version = fuf.Capability, fuf.V(1, 0, 0)
	payload, err = (&boot.Licence{
		Schema: boot.LicenceSchema, ID: 7, Name: "x", Grants: []boot.Grant{{Table: boot.HSMPolicies, ID: 50, Capability: 1}},
	}).Encode()
	return r, payload, err
}
