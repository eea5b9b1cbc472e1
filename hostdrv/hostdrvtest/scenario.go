package hostdrvtest

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
)

func introduces(t *testing.T, goal Target) {
	dev := dial(t, goal)
	info, err := dev.Info(deadline(t))
	must(t, err)
	told := dev.Capabilities()
	if info.Model != told.Model || info.Serial != told.Serial || info.Firmware != told.Firmware || info.Serial == "" {
		t.Errorf("HELLO told %s %s %s, info %s %s %s", told.Model, told.Serial, told.Firmware, info.Model, info.Serial, info.Firmware)
	}
	if got := dev.LinkInfo().Serial; got != info.Serial {
		t.Errorf("USB serial number %q, the device calls itself %q", got, info.Serial)
	}
	for _, row := range command.Rows {
		if !slices.Contains(told.Commands, row.Code) {
			t.Errorf("HELLO does not list %s", row.Name)
		}
	}
	mechanisms, err := dev.Mechanisms(deadline(t))
	must(t, err)
	if len(mechanisms) != len(command.MechanismTable) {
		t.Errorf("%d mechanisms, want %d", len(mechanisms), len(command.MechanismTable))
	}
}

// scenario walks from delivery to a signature, and to the end of the key.
func scenario(t *testing.T, goal Target) {
	dev := dial(t, goal)
	ctx := deadline(t)
	s := initialise(t, dev)

	info, err := dev.Info(ctx)
	must(t, err)
	if info.State != command.HSMInitialised || info.Partition != command.PartitionInitialised || info.Label != "test" {
		t.Errorf("after initialisation the device says %+v", info)
	}
	about, err := s.Info(ctx)
	must(t, err)
	if about.Role != command.RoleCO || about.Slot != command.SlotPartition || about.ReadOnly {
		t.Errorf("session info %+v", about)
	}

	key := generateEC(t, s, "scenario")
	found, err := s.Find(ctx, command.Template{command.AttrLabel: "scenario"})
	must(t, err)
	if !slices.Equal(found, sorted(key.Public, key.Private)) {
		t.Errorf("found %v, want %v", found, sorted(key.Public, key.Private))
	}
	must(t, s.SetAttributes(ctx, key.Private, command.Template{command.AttrLabel: "renamed"}))
	attributes, err := s.Attributes(ctx, key.Private, command.AttrLabel)
	must(t, err)
	if got := attributes.Text(command.AttrLabel); got != "renamed" {
		t.Errorf("label %q after it was set to renamed", got)
	}

	digest := sha256.Sum256([]byte("scenario"))
	ecdsa := command.Mechanism{Type: command.MechECDSA}
	signature, err := s.Sign(ctx, ecdsa, key.Private, digest[:])
	must(t, err)
	must(t, s.Verify(ctx, ecdsa, key.Public, digest[:], signature))
	digest[0] ^= 1
	if err := s.Verify(ctx, ecdsa, key.Public, digest[:], signature); !errors.Is(err, command.StatusSignatureInvalid) {
		t.Errorf("verify another digest: %v, want %v", err, command.StatusSignatureInvalid)
	}
	must(t, s.Destroy(ctx, key.Private))
	if _, err := s.Sign(ctx, ecdsa, key.Private, digest[:]); !errors.Is(err, command.StatusObjectHandleInvalid) {
		t.Errorf("sign with a destroyed key: %v, want %v", err, command.StatusObjectHandleInvalid)
	}
	must(t, s.ChangePassword(ctx, passwordCO, []byte("another-password")))
	must(t, s.Logout(ctx))
	must(t, s.Login(ctx, command.RoleCO, []byte("another-password")))
	must(t, s.Close(ctx))
	retire(t, dev)
}

// retire deletes the partition and zeroizes the HSM, as its Security Officer.
func retire(t *testing.T, dev *hostdrv.Device) {
	t.Helper()
	ctx := deadline(t)
	admin := open(t, dev, command.SlotAdmin)
	if state, err := admin.RoleState(ctx, command.RoleSO); err != nil || !state.LoggedIn {
		must(t, admin.Login(ctx, command.RoleSO, passwordSO))
	}
	must(t, admin.DeletePartition(ctx))
	must(t, admin.Zeroize(ctx))
	info, err := dev.Info(ctx)
	must(t, err)
	if info.State != command.HSMZeroized || info.Partition != command.PartitionAbsent {
		t.Errorf("a zeroized device says %+v", info)
	}
}

func sorted(handles ...command.Handle) []command.Handle {
	slices.Sort(handles)
	return handles
}

// p256 is the object identifier of the curve P-256 in DER.
var p256 = []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}

// templates returns those of a pair that signs.
func templates(label string) (public, private command.Template) {
	public = command.Template{
		command.AttrToken: true, command.AttrLabel: label, command.AttrID: []byte(label), command.AttrVerify: true,
	}
	private = command.Template{
		command.AttrToken: true, command.AttrLabel: label, command.AttrID: []byte(label), command.AttrSign: true,
	}
	return public, private
}

func generateEC(t *testing.T, s *hostdrv.Session, label string) command.KeyPairResponse {
	t.Helper()
	public, private := templates(label)
	public[command.AttrECParams] = p256
	pair, err := s.GenerateKeyPair(deadline(t), command.Mechanism{Type: command.MechECKeyPairGen}, public, private)
	must(t, err)
	return pair
}

func generateRSA(t *testing.T, s *hostdrv.Session, label string) command.KeyPairResponse {
	t.Helper()
	public, private := templates(label)
	public[command.AttrModulusBits] = uint64(2048)
	public[command.AttrPublicExponent] = []byte{1, 0, 1}
	pair, err := s.GenerateKeyPair(deadline(t), command.Mechanism{Type: command.MechRSAKeyPairGen}, public, private)
	must(t, err)
	return pair
}

// certificates signs certificates with every kind of key and padding, and lets
// crypto/x509 check them.
func certificates(t *testing.T, goal Target) {
	s := initialise(t, dial(t, goal))
	ec, rsaPair := generateEC(t, s, "ec"), generateRSA(t, s, "rsa")
	for _, test := range []struct {
		name      string
		key       command.Handle
		algorithm x509.SignatureAlgorithm
	}{
		{"ECDSA", ec.Private, x509.ECDSAWithSHA256},
		{"PKCS#1 v1.5 with SHA-256", rsaPair.Private, x509.SHA256WithRSA},
		{"PKCS#1 v1.5 with SHA-384", rsaPair.Private, x509.SHA384WithRSA},
		{"PKCS#1 v1.5 with SHA-512", rsaPair.Private, x509.SHA512WithRSA},
		{"PSS with SHA-256", rsaPair.Private, x509.SHA256WithRSAPSS},
		{"PSS with SHA-512", rsaPair.Private, x509.SHA512WithRSAPSS},
	} {
		t.Run(test.name, func(t *testing.T) {
			signer, err := s.Signer(deadline(t), test.key)
			must(t, err)
			template := &x509.Certificate{
				SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: test.name},
				NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0),
				IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
				SignatureAlgorithm: test.algorithm,
			}
			der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
			must(t, err)
			certificate, err := x509.ParseCertificate(der)
			must(t, err)
			must(t, certificate.CheckSignatureFrom(certificate))
		})
	}
	t.Run("PSS with the longest salt", func(t *testing.T) { longestSalt(t, s, rsaPair.Private) })
	t.Run("the device verifies ECDSA", func(t *testing.T) { verifies(t, s, ec, crypto.SHA256) })
	t.Run("the device verifies PKCS#1 v1.5", func(t *testing.T) { verifies(t, s, rsaPair, crypto.SHA256) })
	t.Run("the device verifies PSS", func(t *testing.T) {
		verifies(t, s, rsaPair, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto, Hash: crypto.SHA256})
	})
}

// verifies has the device tell a signature of a pair from one of another digest.
func verifies(t *testing.T, s *hostdrv.Session, pair command.KeyPairResponse, opts crypto.SignerOpts) {
	ctx := deadline(t)
	signer, err := s.Signer(ctx, pair.Private)
	must(t, err)
	digest, other := sha256.Sum256([]byte("signed")), sha256.Sum256([]byte("not signed"))
	signature, err := signer.SignContext(ctx, digest[:], opts)
	must(t, err)
	must(t, signer.Verify(ctx, pair.Public, digest[:], signature, opts))
	if err := signer.Verify(ctx, pair.Public, other[:], signature, opts); !errors.Is(err, command.StatusSignatureInvalid) {
		t.Errorf("verifying another digest: %v", err)
	}
}

func longestSalt(t *testing.T, s *hostdrv.Session, key command.Handle) {
	signer, err := s.Signer(deadline(t), key)
	must(t, err)
	digest := sha256.Sum256([]byte("salt"))
	signature, err := signer.Sign(nil, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto, Hash: crypto.SHA256})
	must(t, err)
	want := &rsa.PSSOptions{SaltLength: 2048/8 - sha256.Size - 2}
	must(t, rsa.VerifyPSS(signer.Public().(*rsa.PublicKey), crypto.SHA256, digest[:], signature, want))
}

// secretKeys uses keys that have no public half, and what needs no key.
func secretKeys(t *testing.T, goal Target) {
	ctx := deadline(t)
	s := initialise(t, dial(t, goal))
	key, err := s.GenerateKey(ctx, command.Mechanism{Type: command.MechAESKeyGen}, command.Template{
		command.AttrValueLen: uint64(32), command.AttrEncrypt: true, command.AttrDecrypt: true,
	})
	must(t, err)
	plaintext := bytes.Repeat([]byte("secret"), 1000)
	sealed, err := s.Encrypt(ctx, command.Mechanism{Type: command.MechAESGCM, AAD: []byte("header")}, key, plaintext)
	must(t, err)
	gcm := command.Mechanism{Type: command.MechAESGCM, IV: sealed.IV, AAD: []byte("header")}
	opened, err := s.Decrypt(ctx, gcm, key, sealed.Data)
	must(t, err)
	if !bytes.Equal(opened, plaintext) {
		t.Error("decryption does not return what was encrypted")
	}
	sealed.Data[0] ^= 1
	if _, err := s.Decrypt(ctx, gcm, key, sealed.Data); !errors.Is(err, command.StatusEncryptedDataInvalid) {
		t.Errorf("decrypt damaged data: %v, want %v", err, command.StatusEncryptedDataInvalid)
	}

	want := sha256.Sum256(plaintext)
	digest, err := s.Digest(ctx, command.MechSHA256, plaintext)
	must(t, err)
	if !bytes.Equal(digest, want[:]) {
		t.Errorf("SHA-256 is %x, want %x", digest, want)
	}
	one, err := s.Random(ctx, 65536)
	must(t, err)
	other, err := s.Random(ctx, 65536)
	must(t, err)
	if len(one) != 65536 || bytes.Equal(one, other) {
		t.Errorf("%d random bytes, or twice the same", len(one))
	}
}
