package fm

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero/api"

	"usbhsm7/firmware/command"
)

// ImportModule is the name of the one module that modules may import from.
const ImportModule = "usbhsm7"

// Import is a function of the device that modules can import. All parameters are
// i32; a pair "data, size" is an address in the module's memory and a number of
// bytes. The result is i64: a number of bytes, a handle or 0, or else the negative
// status of what was refused.
type Import struct {
	Name   string
	Params []string
	About  string // for docs/functional-modules.md
	do     func(r *run, m memory, args []uint64) (int64, error)
}

// Imports lists them all.
var Imports = []Import{
	{"input_size", nil, "the size of the input", (*run).inputSize},
	{"input", []string{"offset", "to", "size"}, "copies from the input; the result is how many bytes there were", (*run).readInput},
	{"output", []string{"data", "size"}, "adds to the output", (*run).write},
	{"version", []string{"to", "size"}, "the version of the firmware, such as 7.9.2", (*run).version},
	{"log", []string{"text", "size"}, "has a line recorded with the call in the audit log", (*run).log},
	{"random", []string{"to", "size"}, "random bytes", (*run).random},
	{"digest", []string{"mechanism", "data", "size", "to", "room"}, "a digest", (*run).digest},
	{"find_key", []string{"class", "label", "size"}, "the handle of the one object of a class (CKO_) with a label", (*run).findKey},
	{"sign", []string{"key", "mechanism", "data", "size", "to", "room"}, "a signature or a MAC", (*run).sign},
	{"verify", []string{"key", "mechanism", "data", "size", "signature", "size"}, "0 if the signature is right", (*run).verify},
	{"encrypt", []string{"key", "mechanism", "iv", "size", "data", "size", "to", "room"}, "the ciphertext; where no IV was given and the device made one, that stands before it", (*run).encrypt},
	{"decrypt", []string{"key", "mechanism", "iv", "size", "data", "size", "to", "room"}, "the plaintext", (*run).decrypt},
}

func (f Import) params() []api.ValueType {
	return slices.Repeat([]api.ValueType{api.ValueTypeI32}, len(f.Params))
}

// host returns the function as the runtime calls it. A refusal is the module's
// business; a limit and an address outside of its memory end the call.
func (f Import) host() api.GoModuleFunc {
	return func(ctx context.Context, m api.Module, stack []uint64) {
		r := runOf(ctx)
		if r.asks++; r.asks > r.limits.Asks {
			panic(exceeded(command.StatusOperationRestricted, fmt.Sprintf("the module asked the device more than %d times", r.limits.Asks), "have it ask less in one call"))
		}
		result, err := f.do(r, memory{m.Memory()}, stack[:len(f.Params)])
		var status command.Status
		var limit *excess
		switch {
		case err == nil:
		case errors.As(err, &limit), errors.Is(err, errOutside), !errors.As(err, &status):
			panic(err)
		default:
			result = -int64(status)
		}
		if len(stack) == 0 {
			return
		}
		stack[0] = uint64(result)
	}
}

// memory is that of a module.
type memory struct{ api.Memory }

// bytes returns a part of the memory itself.
func (m memory) bytes(at, size uint64) ([]byte, error) {
	part, ok := m.Read(uint32(at), uint32(size))
	if !ok {
		return nil, errOutside
	}
	return part, nil
}

// give writes a result where there is room for it, and wipes it.
func (m memory) give(result []byte, to, room uint64) (int64, error) {
	defer clear(result)
	place, err := m.bytes(to, room)
	if err != nil {
		return 0, err
	}
	if len(result) > len(place) {
		return 0, command.StatusBufferTooSmall
	}
	return int64(copy(place, result)), nil
}

func (r *run) inputSize(memory, []uint64) (int64, error) { return int64(len(r.input)), nil }

func (r *run) readInput(m memory, a []uint64) (int64, error) {
	place, err := m.bytes(a[1], a[2])
	if err != nil {
		return 0, err
	}
	return int64(copy(place, r.input[min(uint64(uint32(a[0])), uint64(len(r.input))):])), nil
}

func (r *run) write(m memory, a []uint64) (int64, error) {
	data, err := m.bytes(a[0], a[1])
	if err != nil {
		return 0, err
	}
	if len(r.output)+len(data) > r.limits.Output {
		return 0, exceeded(command.StatusBufferTooSmall, fmt.Sprintf("the module gave more than %d bytes", r.limits.Output), "")
	}
	r.output = append(r.output, data...)
	return int64(len(data)), nil
}

func (r *run) log(m memory, a []uint64) (int64, error) {
	text, err := m.bytes(a[0], a[1])
	if err != nil {
		return 0, err
	}
	if r.logged += len(text) + 1; r.logged > r.limits.Log {
		return 0, exceeded(command.StatusDataLenRange, fmt.Sprintf("the module had more than %d bytes recorded", r.limits.Log), "")
	}
	return 0, r.host.Log(string(text))
}

// asked runs a command whose response is R.
func asked[R any](r *run, code command.Code, request any) (*R, error) {
	response, err := r.host.Ask(code, request)
	if err != nil {
		return nil, err
	}
	answer, ok := response.(*R)
	if !ok {
		return nil, fmt.Errorf("%v answered with %T", code, response)
	}
	return answer, nil
}

func (r *run) version(m memory, a []uint64) (int64, error) {
	info, err := asked[command.InfoResponse](r, command.CodeInfo, nil)
	if err != nil {
		return 0, err
	}
	return m.give([]byte(info.Firmware), a[0], a[1])
}

func (r *run) random(m memory, a []uint64) (int64, error) {
	if _, err := m.bytes(a[0], a[1]); err != nil {
		return 0, err
	}
	answer, err := asked[command.RandomResponse](r, command.CodeRandom, &command.RandomRequest{Length: uint(uint32(a[1]))})
	if err != nil {
		return 0, err
	}
	return m.give(answer.Data, a[0], a[1])
}

func mechanism(number uint64, iv []byte) command.Mechanism {
	return command.Mechanism{Type: command.MechanismType(number), IV: iv}
}

func (r *run) digest(m memory, a []uint64) (int64, error) {
	data, err := m.bytes(a[1], a[2])
	if err != nil {
		return 0, err
	}
	answer, err := asked[command.DigestResponse](r, command.CodeDigest, &command.DigestRequest{Mechanism: mechanism(a[0], nil), Data: data})
	if err != nil {
		return 0, err
	}
	return m.give(answer.Digest, a[3], a[4])
}

func (r *run) findKey(m memory, a []uint64) (int64, error) {
	label, err := m.bytes(a[1], a[2])
	if err != nil {
		return 0, err
	}
	answer, err := asked[command.FindObjectsResponse](r, command.CodeFindObjects, &command.FindObjectsRequest{
		Template: command.Template{command.AttrClass: uint64(uint32(a[0])), command.AttrLabel: string(label)},
	})
	if err != nil {
		return 0, err
	}
	if len(answer.Objects) != 1 {
		return 0, command.StatusObjectHandleInvalid
	}
	return int64(answer.Objects[0]), nil
}

func (r *run) sign(m memory, a []uint64) (int64, error) {
	data, err := m.bytes(a[2], a[3])
	if err != nil {
		return 0, err
	}
	answer, err := asked[command.SignResponse](r, command.CodeSign, &command.SignRequest{
		Key: command.Handle(a[0]), Mechanism: mechanism(a[1], nil), Data: data,
	})
	if err != nil {
		return 0, err
	}
	return m.give(answer.Signature, a[4], a[5])
}

func (r *run) verify(m memory, a []uint64) (int64, error) {
	data, err := m.bytes(a[2], a[3])
	if err != nil {
		return 0, err
	}
	signature, err := m.bytes(a[4], a[5])
	if err != nil {
		return 0, err
	}
	_, err = r.host.Ask(command.CodeVerify, &command.VerifyRequest{
		Key: command.Handle(a[0]), Mechanism: mechanism(a[1], nil), Data: data, Signature: signature,
	})
	return 0, err
}

func (r *run) encrypt(m memory, a []uint64) (int64, error) {
	return r.cipher(command.CodeEncrypt, m, a)
}

func (r *run) decrypt(m memory, a []uint64) (int64, error) {
	return r.cipher(command.CodeDecrypt, m, a)
}

func (r *run) cipher(code command.Code, m memory, a []uint64) (int64, error) {
	iv, err := m.bytes(a[2], a[3])
	if err != nil {
		return 0, err
	}
	data, err := m.bytes(a[4], a[5])
	if err != nil {
		return 0, err
	}
	answer, err := asked[command.CipherResponse](r, code, &command.CipherRequest{
		Key: command.Handle(a[0]), Mechanism: mechanism(a[1], iv), Data: data,
	})
	if err != nil {
		return 0, err
	}
	result := answer.Data
	if len(iv) == 0 && len(answer.IV) > 0 {
		result = slices.Concat(answer.IV, answer.Data)
		clear(answer.Data)
	}
	return m.give(result, a[6], a[7])
}
