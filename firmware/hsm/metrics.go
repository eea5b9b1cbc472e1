package hsm

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/policy"
)

// metrics counts what mechanisms are used for, while HSM policy 49 is on. The
// counters are not stored: they begin at each start.
type metrics struct {
	once   sync.Once
	counts [][useKinds]atomic.Uint64 // by place in command.MechanismTable
}

// useKinds bounds the bits of a command.Use.
const useKinds = 16

// count notes one use of a mechanism of the table.
func (c *call) count(m command.MechanismType, use command.Use) {
	if c.hsm.state.Load().policies.hsm.On(policy.UtilizationMetrics) {
		c.hsm.metrics.of(m)[bits.TrailingZeros32(uint32(use))].Add(1)
	}
}

func (x *metrics) of(m command.MechanismType) *[useKinds]atomic.Uint64 {
	x.once.Do(func() { x.counts = make([][useKinds]atomic.Uint64, len(command.MechanismTable)) })
	_, place, _ := command.FindMechanism(m)
	return &x.counts[place]
}

func (c *call) partitionMetrics() (*command.MetricsResponse, error) {
	if !c.hsm.state.Load().policies.hsm.On(policy.UtilizationMetrics) {
		return nil, restricted("HSM policy 49 is off: uses are not counted")
	}
	r := &command.MetricsResponse{Counts: []command.UseCount{}}
	for _, row := range command.MechanismTable {
		counts := c.hsm.metrics.of(row.Type)
		for bit := range counts {
			if n := counts[bit].Load(); n > 0 {
				r.Counts = append(r.Counts, command.UseCount{Mechanism: row.Type, Use: 1 << bit, Count: n})
			}
		}
	}
	return r, nil
}

// restricted is the refusal of what a policy forbids.
func restricted(cause string) error {
	return command.StatusOperationRestricted.With(cause, "the owner of the policy can change it")
}
