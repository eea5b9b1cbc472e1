package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/store"
	"usbhsm7/hostdrv"
)

// manyCallers is how many callers sign at the same time in the parallel cases.
const manyCallers = 8

// inFlight is how many signatures each caller has under way in the pipelined
// cases, one goroutine for each.
const inFlight = 8

var digest = sha256.Sum256([]byte("usbhsm7 bench"))

// digestInfoSHA256 is the DER prefix of a SHA-256 hash (RFC 8017, section 9.2).
var digestInfoSHA256 = []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}

// keyAlgorithm is one kind of key in the signing cases.
type keyAlgorithm struct {
	name      string
	mechanism command.Mechanism
	data      []byte
	bare      func() (crypto.Signer, error)
	generate  command.Mechanism
	template  command.Template
	aimGo     float64 // the ratio to bare Go to reach; 0 = none
	aimPeer   float64 // that to SoftHSM2, with many callers
}

var keyAlgorithms = []keyAlgorithm{
	{
		"rsa-2048",
		command.Mechanism{Type: command.MechRSAPKCS},
		append(digestInfoSHA256, digest[:]...),
		func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) },
		command.Mechanism{Type: command.MechRSAKeyPairGen},
		command.Template{command.AttrModulusBits: uint64(2048)},
		0.95, 0,
	},
	{
		"p-256",
		command.Mechanism{Type: command.MechECDSA},
		digest[:],
		func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) },
		command.Mechanism{Type: command.MechECKeyPairGen},
		command.Template{command.AttrECParams: []byte{0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07}},
		0, 1,
	},
}

// signCases compare signatures through the whole stack (driver, USB/IP over
// TCP, device) with bare Go crypto and with SoftHSM2 through PKCS#11.
func signCases(plan) ([]benchCase, func(), error) {
	return besideSoftHSM(func(b *bench, peer *softHSM) (cases []benchCase, err error) {
		for _, algorithm := range keyAlgorithms {
			more, err := b.signCases(algorithm, peer)
			if err != nil {
				return nil, err
			}
			cases = append(cases, more...)
		}
		return cases, nil
	})
}

func (b *bench) signCases(algorithm keyAlgorithm, peer *softHSM) ([]benchCase, error) {
	ours, err := b.tcp.signer(algorithm)
	if err != nil {
		return nil, err
	}
	overUnix, err := b.unix.signer(algorithm)
	if err != nil {
		return nil, err
	}
	bare, err := bareSigner(algorithm)
	if err != nil {
		return nil, err
	}
	theirs, err := peer.signer(algorithm.name)
	if err != nil {
		return nil, err
	}
	var cases []benchCase
	pipelined := load{callers: manyCallers * inFlight, do: ours}
	cases = append(cases, comparison{
		fmt.Sprintf("sign/%s/callers=%d/pipelined/go", algorithm.name, manyCallers), "signatures", "bare Go crypto", 0,
		pipelined,
		load{callers: manyCallers, do: bare},
	})
	for _, callers := range []int{1, manyCallers} {
		name := fmt.Sprintf("sign/%s/callers=%d", algorithm.name, callers)
		aimPeer := algorithm.aimPeer
		if callers == 1 {
			aimPeer = 0
		}
		cases = append(cases,
			comparison{name + "/go", "signatures", "bare Go crypto", algorithm.aimGo, load{callers: callers, do: ours}, load{callers: callers, do: bare}},
			comparison{name + "/softhsm2", "signatures", "SoftHSM2 through PKCS#11", aimPeer, load{callers: callers, do: ours}, load{callers: callers, do: theirs}},
			comparison{name + "/unix", "signatures", "the same over TCP", 0, load{callers: callers, do: overUnix}, load{callers: callers, do: ours}},
		)
	}
	return cases, nil
}

// signer makes a key in the device and returns what signs with it.
func (a attached) signer(algorithm keyAlgorithm) (func(int) error, error) {
	ctx := context.Background()
	pair, err := a.session.GenerateKeyPair(ctx, algorithm.generate, algorithm.template, command.Template{})
	if err != nil {
		return nil, err
	}
	return func(int) error {
		_, err := a.session.Sign(ctx, algorithm.mechanism, pair.Private, algorithm.data)
		return err
	}, nil
}

func bareSigner(algorithm keyAlgorithm) (func(int) error, error) {
	key, err := algorithm.bare()
	if err != nil {
		return nil, err
	}
	return func(int) error {
		_, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
		return err
	}, nil
}

// commandCases compare a command's way over USB/IP with the same driver and
// device without a wire between them, and with the bare call of the core.
func commandCases(plan) ([]benchCase, func(), error) {
	bench, err := newBench()
	if err != nil {
		return nil, nil, err
	}
	bare, err := coreEcho()
	if err != nil {
		bench.close()
		return nil, nil, err
	}
	var cases []benchCase
	for _, callers := range []int{1, manyCallers} {
		name := fmt.Sprintf("command/echo-64/callers=%d", callers)
		ours := load{callers: callers, do: echo(bench.tcp.device)}
		cases = append(cases,
			comparison{name + "/local", "commands", "the in-process transport", 0, ours, load{callers: callers, do: echo(bench.inProcess.device)}},
			comparison{name + "/core", "commands", "the core's call in this process", 0, ours, load{callers: callers, do: bare}},
			comparison{name + "/unix", "commands", "the same over TCP", 0, load{callers: callers, do: echo(bench.unix.device)}, ours},
		)
	}
	return cases, bench.close, nil
}

// echoData is what the echo cases send there and back.
var echoData = make([]byte, 64)

// coreEcho returns the same command as a bare call of the HSM core.
func coreEcho() (func(int) error, error) {
	image, err := flash.NewMemory(flash.DefaultGeometry())
	if err != nil {
		return nil, err
	}
	records, err := store.Open(image)
	if err != nil {
		return nil, err
	}
	core, err := hsm.Open(hsm.Config{Store: records, Entropy: rand.Reader, Serial: "7000001"})
	if err != nil {
		return nil, err
	}
	payload, err := command.Marshal(command.Echo{Data: echoData})
	if err != nil {
		return nil, err
	}
	host := core.Connect()
	return func(int) error {
		status, _ := host.Execute(context.Background(), command.CodeEcho, 0, payload)
		return status.Err()
	}, nil
}

func echo(d *hostdrv.Device) func(int) error {
	return func(int) error {
		_, err := d.Echo(context.Background(), echoData)
		return err
	}
}
