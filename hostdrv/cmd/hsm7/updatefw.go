package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/fuf"
	"usbhsm7/hostdrv"
)

// updateFile is an update file as the driver takes it.
type updateFile struct {
	*fuf.File
	content *os.File
}

// openUpdate opens an update file. Whose signatures count is for the device to say;
// with trust it is refused before the device sees it.
func openUpdate(name, trust string) (*updateFile, error) {
	anchors, err := readTrust(trust)
	if err != nil {
		return nil, err
	}
	content, err := os.Open(name)
	if err != nil {
		return nil, usagef("%w", err)
	}
	info, err := content.Stat()
	if err != nil {
		content.Close()
		return nil, usagef("%w", err)
	}
	file, err := fuf.OpenFile(content, info.Size(), anchors)
	if err != nil {
		content.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &updateFile{file, content}, nil
}

// Head implements hostdrv.UpdateFile.
func (f *updateFile) Head() ([]byte, error) {
	head := make([]byte, f.HeadSize())
	if _, err := f.content.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("read the update file: %w", err)
	}
	return head, nil
}

// Chunk implements hostdrv.UpdateFile.
func (f *updateFile) Chunk(i int) ([]byte, error) { return f.File.Chunk(i, nil) }

// updateFlags are those of the commands that update firmware.
type updateFlags struct {
	file, code, trust string
	from              passwordSource
}

// updateCommand updates the firmware: hsm7 hsm updatefw, as the real administrator's
// shell has it, and hsm7 fuf apply.
func (a *app) updateCommand(use string) *cobra.Command {
	var f updateFlags
	named := strings.HasPrefix(use, "apply")
	cmd := &cobra.Command{
		Use: use, Short: "Update the firmware of the device (HSM SO)", Args: exactArgs(map[bool]int{true: 1}[named]),
		ValidArgsFunction: fufFiles,
		Long: `Send an update file to the device, have it verified there, and have the new firmware run: the device
leaves the bus and comes back. Keys, roles and policies stay. What was sent stays too if the work is
interrupted: run the command again, and it goes on. If the new firmware does not start, the one before
comes back by itself. With quorum authentication the screen of the device asks whether it may.`,
		Example: "  hsm7 " + map[bool]string{true: "fuf apply update.fuf --authcode update.txt", false: "hsm updatefw --fuf update.fuf --authcode update.txt"}[named],
		RunE: func(cmd *cobra.Command, args []string) error {
			if named {
				f.file = args[0]
			}
			if f.file == "" || f.code == "" {
				return usagef("the update file and its --authcode must be given")
			}
			return a.updateFirmware(cmd.Context(), f)
		},
	}
	if !named {
		cmd.Flags().StringVar(&f.file, "fuf", "", "update file")
	}
	cmd.Flags().StringVar(&f.code, "authcode", "", "file of the authentication code")
	trustFlag(cmd, &f.trust)
	passwordFlag(cmd, &f.from)
	return cmd
}

func (a *app) updateFirmware(ctx context.Context, f updateFlags) error {
	file, err := openUpdate(f.file, f.trust)
	if err != nil {
		return err
	}
	defer file.content.Close()
	code, err := readCode(f.code)
	if err != nil {
		return err
	}
	defer clear(code[:])
	return a.withAdmin(ctx, f.from, func(ctx context.Context, d *hostdrv.Device, s *hostdrv.Session) error {
		if err := a.send(ctx, s, file, code); err != nil {
			return err
		}
		before := d.Capabilities().Firmware
		if err := s.ApplyUpdate(ctx); err != nil {
			return err
		}
		return a.afterRestart(ctx, d, before, file.Manifest().Release.Version.String())
	})
}

// send sends an update file. If that ends early, for another reason than a refusal, the
// error tells how much of it is there.
func (a *app) send(ctx context.Context, s *hostdrv.Session, file *updateFile, code fuf.Authcode) error {
	bar, sent := a.progress("sending", file.Chunks()), 0
	err := s.Upload(ctx, file, code[:], func(done, _ int) {
		sent = done
		bar.step(done)
	})
	bar.end()
	if refusal := (*command.Error)(nil); err != nil && sent > 0 && !errors.As(err, &refusal) {
		return fmt.Errorf("at least %d of %d chunks are there, and the same command goes on with the rest: %w", sent, file.Chunks(), err)
	}
	return err
}

// withAdmin runs f with the HSM SO logged in.
func (a *app) withAdmin(ctx context.Context, from passwordSource, f func(context.Context, *hostdrv.Device, *hostdrv.Session) error) error {
	return a.withDevice(ctx, func(ctx context.Context, d *hostdrv.Device) error {
		s, err := d.OpenSession(ctx, command.SlotAdmin, hostdrv.SessionOptions{})
		if err != nil {
			return err
		}
		if err := a.logIn(ctx, s, command.RoleSO, from); err != nil {
			return err
		}
		return f(ctx, d, s)
	})
}

// afterRestart waits for the device and tells which firmware it came back with.
func (a *app) afterRestart(ctx context.Context, d *hostdrv.Device, before, want string) error {
	if err := follow(ctx, d); err != nil {
		return err
	}
	now := d.Capabilities().Firmware
	if now != want {
		return fmt.Errorf("firmware %s did not start: the device is back with %s", want, now)
	}
	info, err := d.Info(ctx)
	if err != nil {
		return err
	}
	converting := info.Halt&command.HaltConversion != 0
	return a.print(map[string]any{"before": before, "firmware": now, "converting": converting}, func(w io.Writer) {
		fmt.Fprintf(w, "firmware %s runs in the place of %s\n", now, before)
		if converting {
			fmt.Fprintln(w, "the device converts its data: do not switch it off; hsm7 info tells when it is done")
		}
	})
}

func (a *app) rollbackCommand() *cobra.Command {
	var (
		from  passwordSource
		force bool
	)
	cmd := &cobra.Command{
		Use: "rollbackfw --force", Short: "Go back to the firmware before, which destroys everything (HSM SO)", Args: noArgs,
		Long: `Have the firmware run again that the last update took the place of. Every key and every role is
destroyed but for the Auditor, and policies are those of that firmware as delivered; say --force to mean
that. There is then nothing to go back to until the next update. A device on which functional modules were
ever permitted (HSM policy 50) cannot go back.`,
		Example: "  hsm7 hsm rollbackfw --force",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !force {
				return usagef("a rollback destroys every key and every role; --force says that you mean it")
			}
			return a.withAdmin(cmd.Context(), from, func(ctx context.Context, d *hostdrv.Device, s *hostdrv.Session) error {
				status, err := s.Firmware(ctx)
				if err != nil {
					return err
				}
				if err := s.RollbackFirmware(ctx); err != nil {
					return err
				}
				return a.afterRestart(ctx, d, status.Running, status.Rollback)
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "destroy every key and every role")
	passwordFlag(cmd, &from)
	return cmd
}
