package device_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/hsm/policy"
)

var update = flag.Bool("update", false, "rewrite the generated documents")

// basis says what a behaviour rests on.
type basis string

const (
	published basis = "published" // Thales' product pages, or software that Thales publishes
	standard  basis = "standard"  // PKCS #11, USB, NIST
	reported  basis = "reported"  // stated by others who have the product
	inferred  basis = "inferred"  // follows from what is published, not stated there
	ours      basis = "ours"      // the real thing is not public, or is not ours to use
)

// claim is one behaviour of the device and what it rests on.
type claim struct {
	what  string
	basis basis
	why   string
}

// claims are grouped by the headings of the page. What the firmware keeps in
// tables of its own comes from those tables.
var claims = []struct {
	heading string
	claims  []claim
}{
	{"USB and wire", []claim{
		{"vendor-class device with a bulk pair and an interrupt endpoint", ours, "the real device has a vendor driver of its own; its descriptors are not public"},
		{"idVendor 1209, idProduct 0001", ours, "the range that pid.codes sets aside for tests; the real identifiers are not public"},
		{"framing and command numbers", ours, "the real wire format is not public; docs/protocol.md specifies this one"},
		{"status numbers and names", published, "ThalesGroup/pycryptoki, retcodes.py"},
		{"status of each refusal of the framing (malformed, truncated, too many requests)", ours, "the nearest published name is used"},
	}},
	{"Update files", []claim{
		{"signed and encrypted, with an authentication code of 16 characters of base64 that is needed to decrypt", published, "network HSM documentation, package_update, for the packages of that product"},
		{"a list of the versions that an update may replace, and of the bootloader that it needs", published, "release notes of Luna HSM firmware"},
		{"layout, algorithms and keys", ours, "the real format is not public; docs/fuf-format.md specifies this one"},
		{"proof that an update stands in a log of transparency", ours, "the real product has none that is known"},
	}},
	{"Firmware updates", []claim{
		{"the HSM SO updates the firmware, with a file and its authentication code, outside Secure Transport Mode", published, "PCIe HSM documentation, sw_fw_upgrade; system_messages"},
		{"roles, policies, partitions and objects stay; new policies have their defaults", published, "HSM documentation, capabilities and policies"},
		{"the device restarts by itself in the new firmware, and the host follows", inferred, "the administrator's shell restarts itself after a rollback"},
		{"rollback: one step, destructive, ruled out once functional modules were permitted, policies at the defaults of that firmware", published, "PCIe HSM documentation, fw_rollback"},
		{"rollback keeps the Auditor and the audit log", inferred, "zeroization does"},
		{"what an update wants to be free of the storage", inferred, "backup HSM documentation, mgmt; there it is 60 percent at most of what backups may take"},
		{"partitions are converted at the first start, which takes long and must not be interrupted", published, "release notes of firmware 7.7.0"},
		{"firmware that has decayed in the flash: the one before runs, or the device waits for an update", ours, "the documentation does not say what a unit does then"},
		{"a conversion that is interrupted begins again, and loses nothing", ours, "the documentation warns of it and says no more"},
		{"status of each refusal", inferred, "names of ThalesGroup/pycryptoki; which condition gives which is not stated"},
		{"firmware that does not start gives way to the one before", ours, "what the real bootloader does is not public; the documentation recommends an uninterruptible power supply"},
		{"security versions, and a floor that the HSM SO raises", ours, "the real product has none that is known; others have"},
		{"with iKeys a person at the screen has to say yes", ours, "what the real screen asks is not public"},
		{"capability updates are licences that belong to the unit and may destroy the partition", published, "network HSM documentation, functionality modules: destructive capability updates; their form is ours"},
	}},
	{"Functional modules", []claim{
		{"HSM policy 50 permits them, has permanent effects, and rules out rollbacks of the firmware once it was on", published, "network and PCIe HSM documentation, functionality modules and fw_rollback"},
		{"the capability is 0 until a capability update raises it", inferred, "the pages of the USB HSM 7 show no functionality modules"},
		{"turning policy 50 on and off destroys the partition", inferred, "its permanent effects; the documentation tells of destructive changes without saying which"},
		{"destructive policy changes, factory reset, decommissioning and destructive capability updates delete them; zeroization and soft initialisation do not", published, "network HSM documentation, functionality modules"},
		{"what the loss or deletion of a partition leaves", inferred, "as zeroization"},
		{"WebAssembly, what modules may import, their limits, commands and statuses", ours, "the real modules are native code of the HSM's processor; docs/functional-modules.md specifies these"},
	}},
	{"Life cycle", []claim{
		{"factory state, initialisation with a label and an HSM SO password", published, "USB HSM 7 documentation, hsm_init"},
		{"hard initialisation without a login, soft initialisation with the HSM SO's", published, "USB HSM 7 documentation, hsm_init"},
		{"one application partition, created by the HSM SO and initialised by the Partition SO", published, "product overview"},
		{"zeroization destroys partitions and wants a new initialisation", published, "USB HSM 7 documentation, zeroize_reset"},
		{"factory reset wants the HSM SO once the HSM is initialised", ours, "the real unit allows it at a local connection; USB/IP is none"},
		{"slot 0 is the partition, slot 1 the HSM", inferred, "slot lists of other Luna products"},
		{"firmware version 7.9.2", published, "USB HSM 7 documentation, partition_domainadd; it says which behaviour is followed, no code of that firmware is here"},
	}},
	{"Passwords", []claim{
		{"8 to 255 bytes from a set of characters, no leading space", published, "USB HSM 7 documentation, role_init"},
		{"attempts are counted durably before the password is checked", ours, "the real mechanism is not public"},
		{"Argon2id and AES-GCM protect each role's copy of the partition key", ours, "the real derivation is not public; docs/security.md gives the parameters"},
		{"a password that another role has set must be changed before anything else (HSM policy 21)", published, "USB HSM 7 documentation, role_init"},
		{"the Partition SO resets the Crypto Officer only with HSM policy 15 on", published, "product overview"},
		{"the Administrator has no objects of its own", ours, "what the real role is for is not public"},
	}},
	{"Quorum authentication", []claim{
		{"chosen at the initialisation of the HSM, passwords or iKeys, for all roles; not changed without destroying everything", published, "USB HSM 7 documentation, hsm_init; product overview"},
		{"HSM policies 0 and 1 show it", published, "USB HSM 7 documentation, hsm_capabilities_and_policies"},
		{"a missing or wrong kind of iKey is no failed login; a whole wrong secret is", published, "USB HSM 7 documentation, hsm_login"},
		{"keys of mixed sets and damaged ones are no failed login either", inferred, "no secret is there to be wrong"},
		{"an Auditor made before the HSM is initialised has a password, and keeps it", ours, "the real order of the two is the same, how that Auditor authenticates is not published"},
		{"the secret of a keyset takes the place of the password, through HKDF in place of Argon2id", ours, "the real derivation is not public"},
		{"challenge secrets: of co by po, of lco and cu by co; made and shown by the device, or given", published, "network HSM documentation, role_createchallenge; the form with hyphens is reported"},
		{"HSM policy 21 makes a challenge secret due to be changed, and no keyset", inferred, "role state has a bit for each; that a keyset is not due is chosen"},
		{"a reset role has no challenge secret", ours, "whether the real one keeps it is not public"},
		{"a login with keyset and challenge secret activates while partition policy 22 is on, for all hosts; the challenge secret is enough then", published, "network HSM documentation, role_login and activation"},
		{"partition policy 15 on: wrong challenge secrets do not count", reported, "name and default of the policy"},
		{"activation outlives two hours without power with partition policy 23 on", published, "product overview"},
		{"the device notes twice a minute that it has power; a clock that was set back while there was none ends activation", ours, "how the real device measures the time is not public"},
		{"tamper events and Secure Transport Mode end activation", inferred, "that tamper events do is published, for the network HSM"},
		{"role-deactivate is for the role itself, the one above it and the Partition SO", ours, "who may is not published"},
	}},
	{"Screen and iKeys", []claim{
		{"create, reuse, duplicate, identify, authenticate, change the PIN; M of N up to 16; an iKey action times out after 120 s", published, "USB HSM 7 documentation, ikey_mgmt; product overview"},
		{"the first question is whether an existing keyset is reused, in these words", published, "PED documentation, release 5.3; that the screen of the USB model says the same is inferred"},
		{"order of the questions: M, N, then for each iKey overwrite and PIN, then duplicates", inferred, "fragments of the PED documentation"},
		{"an iKey of another kind is ignored and named on the screen", published, "PED documentation; that the screen names it is ours"},
		{"if people leave after an iKey that did not count, the host is told what was wrong with it: `VECTOR_OF_DIFFERENT_SET` and the like", inferred, "that there are these statuses is published, when the real unit gives them is not"},
		{"PINs of 4 to 48 digits; an iKey erases itself after ten wrong ones in a row", ours, "the numbers are not published for this model"},
		{"all other wording, the layout of screens and the tree of menus", ours, "pictures of the real screen are not public"},
		{"statuses of dialogues that do not end well", inferred, "names of pycryptoki; which of them the real unit returns is not published"},
		{"an iKey is on the bus as 04b9:1000", published, "usb.ids, iKey 1000 Token; PED documentation"},
		{"what is on an iKey, and its protocol", ours, "not public; docs/ikey-format.md specifies it"},
	}},
	{"Tamper", []claim{
		{"what HSM policies 40, 46 and 48 make of a tamper event", published, "PCIe and network HSM documentation, tamper and decommission; the loss of the battery with policy 46 on is inferred"},
		{"a locked HSM lets the HSM SO log in and nobody else, and runs commands that tell the state or unlock it", published, "PCIe HSM documentation, tamper; which commands these are is inferred"},
		{"causes: voltage, temperature, battery, chassis", inferred, "those of the PCIe HSM without the ones of a card; the sensors of the USB model are not published"},
		{"which causes want a restart", ours, "the product says that some do"},
		{"numbers of log messages", published, "ThalesGroup/pycryptoki, MSG_*; which cause logs which is inferred"},
		{"the log of the HSM itself", ours, "the number of the last message of each cause stands for it"},
		{"a tamper event destroys the master tamper key, and the HSM SO's password brings back what it locked", inferred, "that the key is destroyed and recovered is published, how is not; docs/security.md tells"},
		{"decommission keeps Auditor and audit log", inferred, "zeroization does"},
	}},
	{"Secure Transport Mode", []claim{
		{"form of the strings, and that a failed login of the HSM SO changes them", published, "PCIe HSM documentation, secure_transport_mode"},
		{"how the verification string is made", ours, "the real derivation is not public: a MAC over firmware, serial number and every record"},
		{"the HSM SO recovers an initialised HSM, anybody one that is not", published, "PCIe HSM documentation, stm_recover"},
		{"everyone is logged out when the mode begins", published, "customer release notes, firmware 7.7.2"},
		{"a new device is in this mode only with --stm", ours, "the real one always is; tests want to begin at once"},
		{"one more question to the HSM before the mode ends", ours, "the real client asks the operator"},
	}},
	{"Audit", []claim{
		{"an Auditor that depends on no other role, with a domain before anything is configured", published, "USB HSM 7 documentation, audit_config"},
		{"classes of events and the letters of the mask; a mask has f, s or both", published, "USB HSM 7 documentation, audit_config"},
		{"which command belongs to which class", inferred, "names of the logged events"},
		{"logins, logouts and sessions go on when the log is full; what else would be recorded is refused", published, "PCIe HSM documentation, audit; the refusal is inferred"},
		{"records of uses of keys are written in groups", ours, "how the real device does it is not public"},
		{"form of records, lines and codes", ours, "the real ones are not public"},
		{"a host takes records without a login", ours, "the real host has a daemon to which the device sends them"},
		{"zeroization keeps Auditor and log, factory reset destroys them", published, "USB HSM 7 documentation, zeroize_reset"},
	}},
	{"Objects and mechanisms", []claim{
		{"attributes, classes, key types and mechanisms by their PKCS #11 numbers and meaning", standard, "PKCS #11 3.1"},
		{"mechanism and key sizes of the table below", ours, "the list of the real firmware could not be read; these are a subset that it has"},
		{"AES-GCM without an IV lets the device choose one and returns it", inferred, "the real product does so in its FIPS configuration, appending the IV to the ciphertext"},
		{"storage of 8 MiB of flash", ours, "the sizes of the USB models are not published"},
	}},
	{"Objects", []claim{
		{"numbers of usage-count, usage-limit, generic-1 to -3, auth-data, assigned, key-status and failed-auth-count, and the bits of key-status", published, "ThalesGroup/pycryptoki, defines.py"},
		{"a key over its usage-limit, out of its dates, or locked answers KEY_NOT_ACTIVE", published, "ThalesGroup/pycryptoki, tests of usage limits and dates; luna-samples"},
		{"a use is written down before it is made, up to 64 at a time; a key with a limit is not copied", ours, "how the real device keeps its counts is not public"},
		{"authorization belongs to a session; three wrong data in a row lock the key; the Crypto Officer resets the data", published, "ThalesGroup/luna-samples, per-key authorization"},
		{"per-key authorization on partitions of version 1 only; on others its attributes have no effect", published, "USB HSM 7 documentation, PKA"},
		{"the Limited Crypto Officer destroys only keys that it has authorised", published, "product overview and PKA_API"},
		{"the Limited Crypto Officer may make assigned keys, the Crypto Officer assigns them afterwards", inferred, "the statuses and the purpose, sole control; which role may is not stated"},
		{"authorization data of 4 to 255 bytes", ours, "there are statuses for too little and too much; the bounds are not public"},
		{"a key can be unblocked without a change of its data", ours, "the published calls reset the data"},
		{"private and secret keys are always private objects and sensitive", inferred, "the statuses SECRET_KEY_MUST_BE_SENSITIVE and PRIVATE_KEY_MUST_BE_SENSITIVE"},
		{"keys in clear come in only outside of the FIPS configuration, and while the policy for unwrapping them is on", inferred, "that the FIPS configuration wants keys wrapped is remembered, not checked"},
		{"the Partition SO sets trusted, on public keys and certificates", inferred, "PKCS #11 gives it to the SO; it cannot see private objects"},
		{"always-authenticate is refused", ours, "what the real device does is not public"},
	}},
	{"Use of keys", []claim{
		{"operations in parts: one of each kind in a session, errors end them", standard, "PKCS #11 3.1, sections 5.8 to 5.14"},
		{"an operation ends with its session and with the login", standard, "PKCS #11 3.1, section 5.6.9, leaves it open; here it always ends"},
		{"each part says where it belongs; of a session they are taken in order", ours, "the real wire format is not public"},
		{"all operations together keep at most 64 MiB", ours, "the real bound is not public"},
		{"private keys are wrapped as PKCS #8, secret keys as their value", standard, "PKCS #11 3.1, section 6.7"},
		{"wrap-with-trusted, extractable, statuses of wrapping and unwrapping", standard, "PKCS #11 3.1, section 5.18; numbers from pycryptoki"},
		{"encapsulate and decapsulate, attributes and mechanism", standard, "PKCS #11 3.2"},
		{"a mechanism that a policy forbids answers MECHANISM_INVALID and is not listed", inferred, "how the real product lists mechanisms in its FIPS configuration"},
		{"the FIPS configuration chooses the nonces of AES-GCM encryption", inferred, "SP 800-38D, section 8.2"},
		{"counts of uses, for the HSM SO", ours, "which counts the real product has could not be read"},
		{"HSM SO and Auditor set the clock from the host", inferred, "the audit shell has a command for it; HSM policy 57"},
	}},
	{"Not there yet", []claim{
		{"cloning, backup", ours, "planned"},
	}},
}

func fidelityPage() string {
	var b strings.Builder
	b.WriteString(`# Fidelity

What of this device follows the real product, what is inferred from what is known of it, and what is ours. The page is
generated from tables in the code: ` + "`go test ./firmware/device -run Fidelity -update`" + `.

This project is not affiliated with Thales. Product names only say what is modelled. Nothing here comes from confidential
material.

* **published**: stated by Thales, in its documentation or in software that it publishes
* **standard**: required by a public standard
* **reported**: stated by others who have the product
* **inferred**: follows from what is published, but is not stated there
* **remembered**: from memory of the documentation, not checked
* **ours**: the real thing is not public, or not ours to use, or ours is deliberately different
`)
	for _, group := range claims {
		fmt.Fprintf(&b, "\n## %s\n\n| Behaviour | Basis | Source or reason |\n|---|---|---|\n", group.heading)
		for _, c := range group.claims {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", c.what, c.basis, c.why)
		}
	}
	b.WriteString("\n## Wrong passwords in a row\n\n| Role | Attempts | The last one answers | Evidence |\n|---|---|---|---|\n")
	for _, l := range hsm.Limits() {
		name, _ := l.Status.Name()
		fmt.Fprintf(&b, "| %s | %d | %s | %s |\n", l.Role, l.Attempts, name, l.Evidence)
	}
	for _, table := range []struct {
		name string
		rows policy.Table
	}{{"HSM", policy.HSM}, {"Partition", policy.Partition}} {
		fmt.Fprintf(&b, "\n## %s policies\n\nWhat each changes here is told in [roles and policies](roles-and-policies.md).\n\n| Number | Name | Evidence | Effect here |\n|---|---|---|---|\n", table.name)
		for _, p := range table.rows {
			effect := "yes"
			if p.Effect == "" {
				effect = "none"
			}
			fmt.Fprintf(&b, "| %d | %s | %s | %s |\n", p.ID, p.Name, p.Basis, effect)
		}
	}
	b.WriteString("\n## Mechanisms\n\n| Mechanism | Number | Key bits | Number and name from | FIPS 140-3 status by |\n|---|---|---|---|---|\n")
	for _, m := range command.MechanismTable {
		bits := "-"
		if m.MaxBits > 0 {
			bits = fmt.Sprintf("%d to %d", m.MinBits, m.MaxBits)
		}
		fmt.Fprintf(&b, "| CKM_%s | 0x%08X | %s | %s | %s |\n", m.Name, uint32(m.Type), bits, m.Evidence, m.Basis)
	}
	return b.String()
}

func TestFidelityPageIsUpToDate(t *testing.T) {
	const path = "../../docs/fidelity.md"
	want := fidelityPage()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/fidelity.md differs from the tables: go test ./firmware/device -run Fidelity -update")
	}
}
