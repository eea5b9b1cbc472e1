package policy

// Policies of the HSM that the firmware asks for.
const (
	PasswordAuthentication ID = 0
	QuorumAuthentication   ID = 1
	Masking                ID = 6
	Cloning                ID = 7
	NonFIPSAlgorithms      ID = 12
	ResetPIN               ID = 15
	NetworkReplication     ID = 16
	ForcePINChange         ID = 21
	Unmasking              ID = 30
	MaxPartitions          ID = 33
	MofN                   ID = 37
	DecommissionOnTamper   ID = 40
	DisableDecommission    ID = 46
	ControlledTamper       ID = 48
	UtilizationMetrics     ID = 49
	FunctionalModules      ID = 50
	HostTime               ID = 57
)

// HSM are the capabilities and policies of the HSM. Numbers and internal names
// are Thales' (pycryptoki, HSM_CONFIG_*).
var HSM = Table{
	{ID: 0, Name: "PIN-based authentication", Capability: 1, Basis: Published, Effect: "shows that passwords authenticate; chosen when the HSM is initialised"},
	{ID: 1, Name: "PED-based authentication", Capability: 1, Basis: Published, Effect: "shows that iKeys authenticate; chosen when the HSM is initialised"},
	{ID: 2, Name: "Performance level", Capability: 15, Basis: Inferred},
	{ID: 4, Name: "Domestic mechanisms & key sizes", Capability: 1, Basis: Published},
	{ID: 6, Name: "Allow masking", Capability: 1, Default: 1, Most: 1, Destroys: Both, Basis: Published, Effect: "off turns partition policies 3 and 7 off"},
	{ID: 7, Name: "Allow cloning", Capability: 1, Default: 1, Most: 1, Destroys: Both, Basis: Published, Effect: "off turns partition policies 0 and 4 off"},
	{ID: 9, Name: "Full (non-backup) functionality", Capability: 1, Basis: Recalled},
	{ID: 11, Name: "ECC mechanisms", Capability: 1, Basis: Inferred},
	{ID: 12, Name: "Allow non-FIPS algorithms", Capability: 1, Default: 1, Most: 1, Destroys: Both, Basis: Published, Effect: "off refuses mechanisms and key sizes that are not approved, on the partition too"},
	{ID: 15, Name: "SO can reset partition PIN", Capability: 1, Default: 0, Most: 1, Destroys: TurnOn, Basis: Published, Effect: "off makes a lock-out of the Crypto Officer permanent"},
	{ID: 16, Name: "Allow network replication", Capability: 1, Default: 1, Most: 1, Basis: ThirdParty, Effect: "off turns partition policy 21 off"},
	{ID: 21, Name: "Force user PIN change after set/reset", Capability: 1, Default: 1, Most: 1, Basis: Published, Effect: "on lets a first password do nothing but change itself"},
	{ID: 22, Name: "Allow offboard storage", Capability: 1, Default: 1, Most: 1, Destroys: Both, Basis: ThirdParty},
	{ID: 25, Name: "Allow remote PED usage", Capability: 1, Default: 1, Most: 1, Quorum: true, Basis: ThirdParty},
	{ID: 27, Name: "HSM non-volatile storage space", Capability: 8192, Basis: Recalled, Effect: "shows the KiB of flash"},
	{ID: 29, Name: "Acceleration", Capability: 1, Basis: Inferred},
	{ID: 30, Name: "Allow unmasking", Capability: 1, Default: 1, Most: 1, Basis: ThirdParty, Effect: "off turns partition policies 31 and 32 off"},
	{ID: 33, Name: "Current maximum number of partitions", Capability: 1, Basis: Published, Effect: "a second partition is refused"},
	{ID: 37, Name: "Allow M of N", Capability: 1, Default: 1, Most: 1, Quorum: true, Basis: ThirdParty, Effect: "off has every new keyset be one iKey"},
	{ID: 39, Name: "Secure Trusted Channel", Capability: 0, Basis: Inferred},
	{ID: 40, Name: "Decommission on tamper", Capability: 1, Default: 0, Most: 1, Destroys: Both, Basis: Published, Effect: "on makes a tamper event destroy partition and roles"},
	{ID: 41, Name: "Per-partition SO", Capability: 1, Basis: Inferred},
	{ID: 42, Name: "Partition re-initialisation", Capability: 1, Basis: Inferred, Effect: "the Partition SO may initialise its partition again"},
	{ID: 43, Name: "Allow low-level math acceleration", Capability: 1, Default: 1, Most: 1, Basis: ThirdParty},
	{ID: 46, Name: "Disable decommission", Capability: 1, Default: 0, Most: 1, Destroys: TurnOn, Basis: Published, Effect: "on keeps everything when the battery is lost"},
	{ID: 48, Name: "Do controlled tamper recovery", Capability: 1, Default: 1, Most: 1, Destroys: TurnOff, Basis: Published, Effect: "on locks the HSM after a tamper event until the HSM SO clears it"},
	{ID: 49, Name: "Allow partition utilization metrics", Capability: 1, Default: 0, Most: 1, Basis: Recalled, Effect: "off refuses the metrics"},
	{ID: 50, Name: "Allow functionality modules", Capability: 0, Most: 1, Destroys: Both, Basis: Published, Effect: "off refuses functional modules; on, even once, rules out every rollback of the firmware"},
	{ID: 51, Name: "SMFS auto activation", Capability: 0, Most: 1, Basis: Published},
	{ID: 52, Name: "Restrict FM privilege level", Capability: 0, Most: 1, Basis: Recalled},
	{ID: 53, Name: "Encrypt keys passed from FM to HSM", Capability: 0, Most: 1, Basis: Recalled},
	{ID: 55, Name: "Restricted restore", Capability: 0, Most: 1, Basis: Recalled},
	{ID: 56, Name: "User-defined ECC curves", Capability: 0, Most: 1, Basis: Recalled},
	{ID: 57, Name: "Allow sync with host time", Capability: 1, Default: 0, Most: 1, Basis: ThirdParty, Effect: "off refuses to set the clock from the host's"},
}
