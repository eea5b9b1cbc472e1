package usb

// deviceFeature is a feature of a device that a host can switch while the device
// is configured.
type deviceFeature struct {
	bit   uint8 // in GET_STATUS
	super bool  // at SuperSpeed, or else up to high speed
}

// deviceFeatures by selector (USB 2.0 figure 9-4, USB 3.2 figure 9-4). At
// SuperSpeed it is functions that wake the host, not devices.
var deviceFeatures = map[uint16]deviceFeature{
	FeatureRemoteWakeup: {bit: 1 << 1},
	FeatureU1Enable:     {bit: 1 << 2, super: true},
	FeatureU2Enable:     {bit: 1 << 3, super: true},
	FeatureLTMEnable:    {bit: 1 << 4, super: true},
}

// setDeviceFeature answers SET_FEATURE and CLEAR_FEATURE of the device. There is
// no link whose power could be managed: the features only show in GET_STATUS.
func (d *Device) setDeviceFeature(s Setup) ([]byte, bool) {
	feature, known := deviceFeatures[s.Value]
	c := d.configuration
	if !known || feature.super != d.super() || c == nil || s.Value == FeatureRemoteWakeup && !c.RemoteWakeup {
		return nil, false
	}
	if s.Request == SetFeature {
		d.features |= feature.bit
	} else {
		d.features &^= feature.bit
	}
	return nil, true
}

// Options of SET_FEATURE(FUNCTION_SUSPEND), in the high byte of wIndex (USB 3.2
// table 9-8). The low-power bit suspends the function, which means nothing here.
const functionWakeEnable = 1 << 1

// setFunctionSuspend answers SET_FEATURE and CLEAR_FEATURE(FUNCTION_SUSPEND) of an
// interface.
func (d *Device) setFunctionSuspend(s Setup) ([]byte, bool) {
	number, wake := s.Index&0xff, s.Request == SetFeature && s.Index>>8&functionWakeEnable != 0
	if s.Value != FeatureFunctionSuspend || !d.hasInterface(number) || wake && !d.configuration.RemoteWakeup {
		return nil, false
	}
	d.functionWake[number] = wake
	return nil, true
}

// selSize is the length of the data stage of SET_SEL: system exit latencies and
// delays of U1 and U2 (USB 3.2 section 9.4.12).
const selSize = 6

// setExitLatency answers SET_SEL. What the links to the host cost is of no
// interest to a device without a link.
func (d *Device) setExitLatency(s Setup) ([]byte, bool) {
	return nil, s.Value == 0 && s.Index == 0 && s.Length == selSize
}

// setIsochDelay answers SET_ISOCH_DELAY (USB 3.2 section 9.4.11): wValue is how
// long a packet travels, in nanoseconds.
func (d *Device) setIsochDelay(s Setup) ([]byte, bool) {
	return nil, s.Index == 0 && s.Length == 0
}
