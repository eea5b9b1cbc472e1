package hsm

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io"
	"math/big"
	"strings"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/mech"
	"usbhsm7/firmware/hsm/vault"
)

const recordTransport = "transport"

// transportRecord is Secure Transport Mode.
type transportRecord struct {
	Key      []byte `cbor:"1,keyasint"` // of verification strings; empty: not in this mode
	Attempts uint64 `cbor:"2,keyasint"` // of the HSM SO to log in, since the mode began, that failed
}

func (r *transportRecord) active() bool { return len(r.Key) > 0 }

// disturbTransport counts an attempt of the HSM SO in Secure Transport Mode,
// before its password is looked at.
func (u *update) disturbTransport(role command.Role) error {
	if role != command.RoleSO || !u.state.transport.active() {
		return nil
	}
	u.state.transport.Attempts++
	return u.put(recordTransport, u.state.transport)
}

// calmTransport takes back an attempt that succeeded.
func (u *update) calmTransport(role command.Role) error {
	if role != command.RoleSO || !u.state.transport.active() {
		return nil
	}
	u.state.transport.Attempts--
	return u.put(recordTransport, u.state.transport)
}

func (c *call) stmShow() (*command.STMShowResponse, error) {
	return &command.STMShowResponse{Active: c.hsm.state.Load().transport.active()}, nil
}

// Shipped returns the strings that tell whether the HSM was touched on its way,
// if it is new and began in Secure Transport Mode; otherwise they are empty.
func (h *HSM) Shipped() command.STMStrings { return h.shipped }

// stmTransport begins Secure Transport Mode and logs everyone out.
func (c *call) stmTransport() (*command.STMStrings, error) {
	answer := new(command.STMStrings)
	err := c.update(func(u *update) (err error) {
		*answer, err = u.beginTransport()
		return err
	})
	return answer, err
}

func (u *update) beginTransport() (s command.STMStrings, err error) {
	if s.Random, err = u.state.transport.begin(u.hsm.entropy); err != nil {
		return s, err
	}
	u.event(stateChanged("the HSM is in Secure Transport Mode"))
	u.after(u.hsm.evict)
	u.deactivateAll()
	if s.Verification, err = u.hsm.verification(&u.state.transport, s.Random); err != nil {
		return s, err
	}
	return s, u.put(recordTransport, u.state.transport)
}

// begin makes the key of a new mode and returns the random user string.
func (r *transportRecord) begin(entropy io.Reader) (string, error) {
	random, err := mech.Random(sha256.Size, entropy)
	if err != nil {
		return "", err
	}
	key, err := mech.Random(vault.KeySize, entropy)
	if err != nil {
		return "", err
	}
	*r = transportRecord{Key: key}
	return spell(random), nil
}

// stmRecover tells the verification string and, if the caller wants to proceed,
// ends Secure Transport Mode, whatever was found.
func (c *call) stmRecover(r *command.STMRecoverRequest) (*command.STMRecoverResponse, error) {
	if err := checkSpelling(r.Random); err != nil {
		return nil, err
	}
	answer := &command.STMRecoverResponse{}
	err := c.update(func(u *update) (err error) {
		switch {
		case !u.state.transport.active():
			return command.StatusOperationRestricted.With("the HSM is not in Secure Transport Mode", "")
		case u.state.hsm.State == command.HSMInitialised && c.role() != command.RoleSO:
			return notLoggedIn()
		}
		if answer.Verification, err = u.hsm.verification(&u.state.transport, r.Random); err != nil || !r.Proceed {
			return err
		}
		u.state.transport = transportRecord{}
		u.event(stateChanged("the HSM has left Secure Transport Mode"))
		return u.put(recordTransport, u.state.transport)
	})
	return answer, err
}

// verification returns the string that belongs to a random user string: a MAC
// over that, what the device is, how often the HSM SO's password was tried, and
// every record, but for those that tell of this mode, of attempts and of
// activation, which ends with it. The HSM's
// mu is held.
func (h *HSM) verification(t *transportRecord, random string) (string, error) {
	mac := hmac.New(sha256.New, t.Key)
	for _, part := range []string{"usbhsm7 Secure Transport Mode", h.firmware.Version, h.serial, random} {
		addPart(mac, []byte(part))
	}
	_ = binary.Write(mac, binary.BigEndian, t.Attempts) // a hash takes everything
	for name := range h.vault.Names("") {
		if name == recordTransport || name == recordAttempts(command.RoleSO) || name == recordAlive || strings.HasPrefix(name, activationPrefix) {
			continue
		}
		value, _, err := h.vault.Get(name)
		if err != nil {
			return "", err
		}
		addPart(mac, []byte(name))
		addPart(mac, value)
		clear(value)
	}
	return spell(mac.Sum(nil)), nil
}

// addPart adds a value and its length, so that no two lists are alike.
func addPart(h hash.Hash, value []byte) {
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(value))))
	h.Write(value)
}

// alphabet has the characters of the strings, spelled in groups.
const (
	alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/"
	groups   = 4
	perGroup = 4
)

// spell turns 32 random bytes into a string. They are worth far more than its 95
// bits, so that each character is as likely as the other.
func spell(b []byte) string {
	number, base, digit := new(big.Int).SetBytes(b), big.NewInt(int64(len(alphabet))), new(big.Int)
	var s strings.Builder
	for i := range groups * perGroup {
		if i > 0 && i%perGroup == 0 {
			s.WriteByte('-')
		}
		number.DivMod(number, base, digit)
		s.WriteByte(alphabet[digit.Int64()])
	}
	return s.String()
}

// checkSpelling refuses what spell never returns.
func checkSpelling(s string) error {
	parts := strings.Split(s, "-")
	good := len(parts) == groups
	for _, part := range parts {
		good = good && len(part) == perGroup && strings.Trim(part, alphabet) == ""
	}
	if !good {
		return command.StatusArgumentsBad.Withf("a random user string has %d groups of %d letters, digits or slashes, with hyphens between them", groups, perGroup)
	}
	return nil
}
