package mech

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"testing"

	"github.com/c2sp/wycheproof"

	"usbhsm7/firmware/command"
)

// group is a group of vectors of the Wycheproof project with all fields that
// the suites below read.
type group struct {
	Sha, MgfSha, Mgf, Curve, ParameterSet string
	KeySize, IvSize, TagSize, SLen        uint
	PublicKey                             json.RawMessage
	PrivateKeyPkcs8, PrivateSeed          hexBytes
	Tests                                 []proof

	key func() (*Key, error) // made once, by once
}

// once returns the key of the group, which make makes.
func (g *group) once(make func() (*Key, error)) (*Key, error) {
	if g.key == nil {
		g.key = sync.OnceValues(make)
	}
	return g.key()
}

// proof is one vector.
type proof struct {
	TcID                            int `json:"tcId"`
	Comment, Result                 string
	Flags                           []string
	Key, Iv, Aad, Msg, Ct, Tag, Sig hexBytes
	Ikm, Salt, Info, Okm            hexBytes
	Password, Dk                    hexBytes
	IterationCount, DkLen, Size     uint
	Public, Private                 point
	Shared                          hexBytes
	Seed, Ek, C, M, K, Ctx, Label   hexBytes
}

// point is a public or a private key, in hexadecimal or as a JSON web key.
type point []byte

func (p *point) UnmarshalJSON(data []byte) error {
	var text hexBytes
	if data[0] == '"' {
		err := json.Unmarshal(data, &text)
		*p = point(text)
		return err
	}
	var jwk struct{ X, Y, D string }
	if err := json.Unmarshal(data, &jwk); err != nil {
		return err
	}
	x, errX := base64.RawURLEncoding.DecodeString(jwk.X)
	y, errY := base64.RawURLEncoding.DecodeString(jwk.Y)
	d, errD := base64.RawURLEncoding.DecodeString(jwk.D)
	if *p = d; jwk.D == "" {
		*p = slices.Concat([]byte{4}, x, y)
	}
	return errors.Join(errX, errY, errD)
}

// errDiffers is a result other than the vector's.
var errDiffers = errors.New("another result")

// suite runs the vectors of some files. It returns nil if the device does what
// a valid vector says, and errAside for vectors of something it does not have.
type suite struct {
	files   string // pattern
	run     func(t *testing.T, file string, g *group, p proof) error
	vectors int      // that are there for the device: none may be missing
	accepts []string // flags of "acceptable" vectors that the device accepts; it refuses the others
}

// errAside says that a vector is about something that the device does not have.
var errAside = errors.New("not for this device")

var suites = []suite{
	{"aes_cbc_pkcs5_test.json", proveCBC, 216, nil},
	{"aes_cmac_test.json", proveCMAC, 311, nil},
	{"aes_gcm_test.json", proveGCM, 313, nil},
	{"aes_gmac_test.json", proveGMAC, 414, nil},
	{"aes_wrap_test.json", proveKW, 165, nil},
	{"aes_kwp_test.json", proveKWP, 254, nil},
	{"hmac_sha*_test.json", proveHMAC, 1558, nil},
	{"hkdf_sha*_test.json", proveHKDF, 339, nil},
	{"pbkdf2_hmacsha*_test.json", provePBKDF2, 297, nil},
	{"ecdsa_sec*_p1363_test.json", proveECDSA, 2898, nil},
	{"ecdsa_sec*_test.json", proveECDSAinDER, 12115, nil},
	{"ecdh_sec*_ecpoint_test.json", proveECDH, 2264, nil},
	{"ecdh_sec*_webcrypto_test.json", proveECDH, 2284, nil},
	{"x25519_test.json", proveX25519, 518, []string{"Twist", "NonCanonicalPublic", "SmallPublicKey", "SpecialPublicKey", "EdgeCaseShared"}},
	{"ed25519_test.json", proveEd25519, 151, nil},
	{"mldsa_*_verify_test.json", proveMLDSA, 631, nil},
	{"mldsa_*_sign_seed_test.json", proveMLDSASigning, 245, nil},
	{"mlkem_*_encaps_test.json", proveEncapsulation, 534, nil},
	{"mlkem_*_keygen_seed_test.json", proveMLKEMGeneration, 200, nil},
	{"mlkem_[17]*_test.json", proveMLKEM, 403, nil},
	{"rsa_oaep_*_test.json", proveOAEP, 843, []string{"SmallIntegerCiphertext"}},
	{"rsa_pkcs1_*_sig_gen_test.json", provePKCS1Signing, 93, []string{"WeakHash", "SmallPublicKey"}},
	{"rsa_pkcs1_????_test.json", provePKCS1Decryption, 201, nil},
	{"rsa_signature_*_test.json", provePKCS1, 5171, nil},
	{"rsa_pss_*_test.json", provePSS, 2502, nil},
}

func TestWycheproof(t *testing.T) {
	done := map[string]bool{}
	for _, s := range suites {
		files, err := fs.Glob(wycheproof.TestVectors, s.files)
		if err != nil {
			t.Fatal(err)
		}
		files = slices.DeleteFunc(files, func(file string) bool { return done[file] })
		for _, file := range files {
			done[file] = true
		}
		t.Run(s.files, func(t *testing.T) {
			t.Parallel()
			ran := 0
			for _, file := range files {
				ran += s.walk(t, file)
			}
			if testing.Short() && ran > 0 {
				return
			}
			if ran != s.vectors {
				t.Errorf("%d vectors in %d files were for this device, want %d", ran, len(files), s.vectors)
			}
		})
	}
}

// walk runs one file and returns how many vectors were for the device.
func (s suite) walk(t *testing.T, name string) (ran int) {
	data, err := fs.ReadFile(wycheproof.TestVectors, name)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		TestGroups []group
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for i := range file.TestGroups {
		g := &file.TestGroups[i]
		for _, p := range g.Tests {
			if testing.Short() && p.TcID%8 != 0 {
				continue
			}
			err := s.run(t, name, g, p)
			if errors.Is(err, errAside) {
				continue
			}
			ran++
			if want := s.wants(p); want != (err == nil) {
				t.Errorf("%s %d (%s, %s %v): %v", name, p.TcID, p.Comment, p.Result, p.Flags, err)
			}
			if e := (*command.Error)(nil); err != nil && !errors.As(err, &e) && !errors.Is(err, errBadKey) && p.Result != "invalid" {
				t.Errorf("%s %d: refused without a status: %v", name, p.TcID, err)
			}
		}
	}
	return ran
}

// wants reports whether the device has to accept a vector.
func (s suite) wants(p proof) bool {
	if p.Result != "acceptable" {
		return p.Result == "valid"
	}
	return slices.ContainsFunc(p.Flags, func(flag string) bool { return slices.Contains(s.accepts, flag) }) &&
		!slices.Contains(p.Flags, "ZeroSharedSecret")
}

// equals returns errDiffers unless a result without an error is the wanted one.
func equals(want []byte) func(got []byte, err error) error {
	return func(got []byte, err error) error {
		if err == nil && string(got) != string(want) {
			return errDiffers
		}
		return err
	}
}

// hashNamed returns the mechanism of a hash function as Wycheproof calls it.
func hashNamed(name string) (command.MechanismType, error) {
	m, ok := map[string]command.MechanismType{
		"SHA-1": command.MechSHA1, "SHA-224": command.MechSHA224, "SHA-256": command.MechSHA256, "SHA-384": command.MechSHA384, "SHA-512": command.MechSHA512,
		"SHA3-224": command.MechSHA3224, "SHA3-256": command.MechSHA3256, "SHA3-384": command.MechSHA3384, "SHA3-512": command.MechSHA3512,
	}[name]
	if !ok {
		return 0, errAside
	}
	return m, nil
}

// mechanismOf returns the mechanism that does for a hash what first does.
func mechanismOf(table map[command.MechanismType]signature, first *algorithm, hash command.MechanismType) command.MechanismType {
	for m, s := range table {
		if s.algorithm == first && s.hash == hashes[hash] {
			return m
		}
	}
	return 0
}
