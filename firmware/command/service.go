package command

// Requests and responses about how the device is used, and about its clock.

// MetricsResponse tells how often keys were used, and digests and keys made,
// since the device was switched on, while HSM policy 49 was on. Uses that never
// happened are left out.
type MetricsResponse struct {
	Counts []UseCount `cbor:"1,keyasint"` // ordered by mechanism and use
}

// UseCount counts one use of a mechanism.
type UseCount struct {
	Mechanism MechanismType `cbor:"1,keyasint" json:"mechanism"`
	Use       Use           `cbor:"2,keyasint" json:"use"` // one bit
	Count     uint64        `cbor:"3,keyasint" json:"count"`
}

// DeviceTime is what a clock shows.
type DeviceTime struct {
	Seconds uint64 `cbor:"1,keyasint" json:"seconds"` // since 1970-01-01 00:00:00 UTC, up to 253,402,300,799 (the end of the year 9999)
}

// MaxTime is the last second that a clock can show.
const MaxTime = 253_402_300_799
