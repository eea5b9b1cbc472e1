package policy

// Policies of the partition that the firmware asks for.
const (
	PrivateKeyCloning    ID = 0
	PrivateKeyWrapping   ID = 1
	PrivateKeyUnwrapping ID = 2
	SecretKeyCloning     ID = 4
	SecretKeyWrapping    ID = 5
	SecretKeyUnwrapping  ID = 6
	DigestKey            ID = 9
	MultipurposeKeys     ID = 10
	ChangeKeyAttributes  ID = 11
	IgnoreChallenges     ID = 15
	SignNonLocalKeys     ID = 17
	RawRSA               ID = 18
	MaxFailedLogins      ID = 20
	Activation           ID = 22
	AutoActivation       ID = 23
	MinPINLength         ID = 25 // stored as 255 minus the length
	MaxPINLength         ID = 26
	KeyManagement        ID = 28
	RSAPKCS              ID = 33
	CBCPadAnySize        ID = 34
	StartEndDates        ID = 39
	PerKeyAuthorization  ID = 40
	PartitionVersion     ID = 41
	PartitionNonFIPS     ID = 43
	PrehashSigVer        ID = 45
)

// Partition are the capabilities and policies of the application partition.
// Numbers and internal names are Thales' (pycryptoki, CONTAINER_CONFIG_*).
var Partition = Table{
	{ID: 0, Name: "Allow private key cloning", Capability: 1, Default: 1, Most: 1, Destroys: TurnOn, Under: 7, Excludes: 1, Basis: ThirdParty},
	{ID: 1, Name: "Allow private key wrapping", Capability: 1, Default: 0, Most: 1, Destroys: TurnOn, Basis: ThirdParty, Effect: "off refuses to wrap private keys"},
	{ID: 2, Name: "Allow private key unwrapping", Capability: 1, Default: 1, Most: 1, Basis: ThirdParty, Effect: "off refuses to unwrap private keys"},
	{ID: 3, Name: "Allow private key masking", Capability: 1, Default: 0, Most: 1, Destroys: TurnOn, Under: 6, Basis: ThirdParty},
	{ID: 4, Name: "Allow secret key cloning", Capability: 1, Default: 1, Most: 1, Destroys: TurnOn, Under: 7, Basis: ThirdParty},
	{ID: 5, Name: "Allow secret key wrapping", Capability: 1, Default: 1, Most: 1, Destroys: TurnOn, Basis: ThirdParty, Effect: "off refuses to wrap secret keys"},
	{ID: 6, Name: "Allow secret key unwrapping", Capability: 1, Default: 1, Most: 1, Basis: ThirdParty, Effect: "off refuses to unwrap secret keys"},
	{ID: 7, Name: "Allow secret key masking", Capability: 1, Default: 0, Most: 1, Destroys: TurnOn, Under: 6, Basis: ThirdParty},
	{ID: 9, Name: "Allow DigestKey", Capability: 1, Default: 0, Most: 1, Destroys: TurnOn, Basis: ThirdParty, Effect: "off refuses to hash the value of a key"},
	{ID: 10, Name: "Allow multipurpose keys", Capability: 1, Default: 1, Most: 1, Destroys: TurnOn, Basis: ThirdParty, Effect: "off lets a key have one kind of use only"},
	{ID: 11, Name: "Allow changing key attributes", Capability: 1, Default: 1, Most: 1, Destroys: TurnOn, Basis: ThirdParty, Effect: "off refuses to change what a key may be used for"},
	{ID: 15, Name: "Ignore failed challenge responses", Capability: 1, Default: 1, Most: 1, Destroys: TurnOn, Quorum: true, Basis: ThirdParty, Effect: "off counts wrong challenge secrets as failed logins"},
	{ID: 16, Name: "Operate without RSA blinding", Capability: 1, Default: 1, Most: 1, Destroys: TurnOn, Basis: ThirdParty},
	{ID: 17, Name: "Allow signing with non-local keys", Capability: 1, Default: 1, Most: 1, Basis: ThirdParty, Effect: "off refuses to sign with a key that was not made in the device"},
	{ID: 18, Name: "Allow raw RSA operations", Capability: 1, Default: 1, Most: 1, Destroys: TurnOn, Basis: ThirdParty, Effect: "off refuses RSA without padding"},
	{ID: 19, Name: "Key storage space", Capability: 8192, Basis: Inferred, Effect: "shows the KiB of flash"},
	{ID: 20, Name: "Max failed user logins allowed", Capability: 10, Default: 10, Least: 1, Most: 10, Basis: ThirdParty, Effect: "wrong passwords in a row before a crypto role is locked"},
	{ID: 21, Name: "Allow high availability recovery", Capability: 1, Default: 1, Most: 1, Under: 16, Basis: ThirdParty},
	{ID: 22, Name: "Allow activation", Capability: 1, Default: 0, Most: 1, Quorum: true, Basis: Published, Effect: "on lets a login with keyset and challenge secret activate the role: then the challenge secret is enough"},
	{ID: 23, Name: "Allow auto-activation", Capability: 1, Default: 0, Most: 1, Quorum: true, Basis: Published, Effect: "on lets activation outlive two hours without power; needs policy 22"},
	{ID: 25, Name: "Minimum PIN length (inverted: 255 - min)", Capability: 247, Default: 247, Least: 1, Most: 247, Basis: ThirdParty, Effect: "the shortest password of a role of the partition"},
	{ID: 26, Name: "Maximum PIN length", Capability: 255, Default: 255, Least: 8, Most: 255, Basis: ThirdParty, Effect: "the longest password of a role of the partition"},
	{ID: 28, Name: "Allow Key Management Functions", Capability: 1, Default: 1, Most: 1, Destroys: TurnOn, Basis: ThirdParty, Effect: "off refuses to make, import, derive, wrap and destroy keys"},
	{ID: 29, Name: "Perform RSA signing without confirmation", Capability: 1, Default: 1, Most: 1, Destroys: TurnOn, Basis: ThirdParty},
	{ID: 30, Name: "Remote authentication", Capability: 1, Basis: Inferred},
	{ID: 31, Name: "Allow private key unmasking", Capability: 1, Default: 0, Most: 1, Under: 30, Basis: ThirdParty},
	{ID: 32, Name: "Allow secret key unmasking", Capability: 1, Default: 0, Most: 1, Under: 30, Basis: ThirdParty},
	{ID: 33, Name: "Allow RSA PKCS mechanism", Capability: 1, Default: 1, Most: 1, Destroys: TurnOn, Basis: ThirdParty, Effect: "off refuses RSA with PKCS #1 v1.5 encryption"},
	{ID: 34, Name: "Allow CBC-PAD (un)wrap keys of any size", Capability: 1, Default: 1, Most: 1, Destroys: TurnOn, Basis: ThirdParty, Effect: "off refuses AES_CBC_PAD to wrap and unwrap keys"},
	{ID: 37, Name: "Force Secure Trusted Channel", Capability: 0, Most: 1, Destroys: TurnOff, Basis: Inferred},
	{ID: 39, Name: "Allow Start/End Date Attributes", Capability: 1, Default: 0, Most: 1, Destroys: TurnOff, Basis: ThirdParty, Effect: "on lets keys have dates outside which they do not work"},
	{ID: 40, Name: "Require Per-Key Authorization Data", Capability: 1, Default: 0, Most: 1, Destroys: Both, Basis: ThirdParty, Effect: "on wants authorization data for every new private and secret key, on a partition of version 1"},
	{ID: 41, Name: "Partition version", Capability: 1, Default: 0, Most: 1, Destroys: TurnOff, Basis: ThirdParty, Effect: "0 takes no notice of authorization data of keys"},
	{ID: 42, Name: "Allow CPv1", Capability: 1, Default: 0, Most: 1, Destroys: TurnOn, Basis: Published},
	{ID: 43, Name: "Allow non-FIPS algorithms", Capability: 1, Default: 1, Most: 1, Destroys: TurnOn, Under: 12, Basis: Published, Effect: "off refuses mechanisms and key sizes that are not approved"},
	{ID: 44, Name: "Allow Extended Domain Management", Capability: 1, Default: 0, Most: 1, Basis: Published},
	{ID: 45, Name: "Allow ECDSA/RSA prehash SigVer", Capability: 1, Default: 0, Most: 1, Basis: ThirdParty, Effect: "off refuses to verify signatures over a hash made outside, in the FIPS configuration"},
}
