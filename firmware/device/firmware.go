package device

import (
	"fmt"
	"time"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/fm"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/hsm/policy"
)

// product is what update files call this one, and model is the one that they have
// to name.
const product, model = "usbhsm7", "U700"

// Core is the HSM with the bootloader that has started it.
type Core struct {
	HSM     *hsm.HSM
	Boot    *boot.Boot
	modules *fm.Engine
}

// StartCore starts the bootloader, on its part of the flash, and the HSM in the
// firmware that runs. Firmware on trial is confirmed when the HSM has started in it;
// if that does not start, everything begins again as after a watchdog's reset, until
// the bootloader gives the firmware up. Of c, Firmware, Boot and Modules are filled
// in.
func StartCore(images flash.Device, verifier boot.Verifier, c hsm.Config) (*Core, error) {
	for {
		b, err := boot.Open(images, boot.Config{Verifier: verifier, Product: product, Model: model, Fits: fits})
		if err != nil {
			return nil, fmt.Errorf("start the bootloader: %w", err)
		}
		status, err := b.Status()
		if err != nil {
			return nil, fmt.Errorf("start the bootloader: %w", err)
		}
		core, err := start(b, status, c)
		if err == nil && status.State != boot.RollingBack {
			return core, core.settle(status)
		}
		if err == nil {
			core.HSM.Close() // it has erased what it held
			err = b.Erased()
		} else if status.State == boot.Trial && !status.Confirmed {
			err = nil // try again
		}
		b.Close()
		if err != nil {
			return nil, err
		}
	}
}

// fits reports why the HSM does not start in an image, whatever it holds.
func fits(image *boot.Image) error {
	firmware, err := firmwareOf(image)
	if err != nil {
		return err
	}
	engine := fm.New(fm.Standard())
	defer engine.Close()
	return firmware.Check(modules{engine})
}

// start starts the HSM in the firmware that runs.
func start(b *boot.Boot, status boot.Status, c hsm.Config) (*Core, error) {
	firmware, err := firmwareOf(b.Running())
	if err != nil {
		return nil, err
	}
	if status.Recovers {
		firmware.Lost = status.Lost.String()
	}
	if release, err := b.Release(); err == nil && release != nil {
		firmware.Conversion = time.Duration(release.Data.Minutes) * time.Minute
	}
	engine := fm.New(fm.Standard())
	c.Firmware, c.Boot, c.Modules = firmware, bootloader{b}, modules{engine}
	core, err := hsm.Open(c)
	if err != nil {
		_ = engine.Close() // frees memory: cannot fail
		return nil, fmt.Errorf("start the HSM: %w", err)
	}
	return &Core{core, b, engine}, nil
}

// settle confirms firmware that was on trial.
func (c *Core) settle(before boot.Status) error {
	if before.State == boot.Trial && !before.Confirmed {
		if err := c.Boot.Confirm(); err != nil {
			return fmt.Errorf("confirm the firmware: %w", err)
		}
	}
	return c.HSM.Settle()
}

// Close switches both off. The flash stays open.
func (c *Core) Close() {
	c.Boot.Close()
	c.HSM.Close()
	_ = c.modules.Close() // frees memory: cannot fail
}

// firmwareOf returns what an image makes of the HSM: the tables that are built in,
// changed as the image says.
func firmwareOf(image *boot.Image) (*hsm.Firmware, error) {
	unit := hsm.Models()[0]
	f := hsm.BuiltIn(unit)
	f.Version, f.DataSchema = image.Version.String(), image.DataSchema
	for _, p := range image.Policies {
		table := map[boot.Table]*policy.Table{boot.HSMPolicies: &f.HSM, boot.PartitionPolicies: &f.Partition}[p.Table]
		if table == nil {
			return nil, fmt.Errorf("firmware %s: there is no table %d of policies", f.Version, p.Table)
		}
		if p.Withheld {
			*table = table.Without(p.ID)
			continue
		}
		*table = table.With(policy.Policy{
			ID: p.ID, Name: p.Name, Capability: p.Capability, Default: p.Default, Least: p.Least, Most: p.Most,
			Destroys: policy.Direction(p.Destroys), Basis: policy.FromImage,
		})
	}
	for _, m := range image.Mechanisms {
		if _, _, known := command.FindMechanism(command.MechanismType(m.Type)); !known {
			return nil, fmt.Errorf("firmware %s: %v is not built in", f.Version, command.MechanismType(m.Type))
		}
		if m.Withheld {
			f.Withheld = append(f.Withheld, command.MechanismType(m.Type))
		}
	}
	for _, m := range image.Modules {
		f.Modules = append(f.Modules, hsm.Module{Name: m.Name, Version: m.Version.String(), Code: m.Code})
	}
	for _, m := range image.Models {
		if m.Name == unit.Name {
			f.Storage = m.Storage
		}
	}
	return f, nil
}
