package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pages are those whose shell blocks, fenced and marked sh, run as they stand,
// one after the other in one shell.
var pages = []struct {
	path    string
	heading string // only what stands below this heading, down to the next; empty: the page
	given   string // what the page takes for granted
	says    string // something that the blocks print
}{
	{path: "../../../README.md", heading: "## Use it", given: "echo text >README.md; ln -s $REPOSITORY/docs docs", says: "each of 26 faults ended as it should"},
	{path: "../../../docs/ci.md", says: "signature is genuine"},
	{path: "../../../docs/simulator.md", given: "echo 'on bulk-in: delay 1ms' >bad-cable.faults", says: "2030-01-01T00:00:00Z"},
	{path: "../../../docs/audit.md", given: "usbhsm7 --ephemeral --serial 7000001 & hsm7 --wait 10s info", says: " 0 findings"},
	{path: "../../../docs/firmware-update.md", heading: "## Update a device", says: "firmware 7.9.3 runs in the place of 7.9.2"},
	{path: "../../../docs/firmware-update.md", heading: "### Firmware that brings mechanisms", says: "ML_DSA"},
	{path: "../../../docs/firmware-update.md", heading: "### Firmware by your own keys", says: "firmware 7.9.3 runs in the place of 7.9.2"},
	{
		path: "../../../docs/functional-modules.md", given: "cp $REPOSITORY/firmware/fm/testdata/orders.wasm .",
		says: "the module ended with 1",
	},
	{path: "../../../docs/capture.md", says: `HSM "demo" initialised`},
}

// asThePagesRun goes before the blocks of a page. Only the default address
// differs from what a reader has: a Unix socket, since the port may be taken.
const asThePagesRun = `
trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
usbhsm7() { exec usbhsm7 --listen unix:./usbip.sock "$@"; } # always in the background, which is a shell of its own
export HSM7_USBIP=unix:./usbip.sock HSM7_VIA=usbip
export HSM7_SO_PASSWORD=so-password HSM7_PO_PASSWORD=po-password HSM7_CO_PASSWORD=co-password
`

func TestPagesRunAsTheyStand(t *testing.T) {
	binaries := programs(t)
	repository, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		t.Run(filepath.Base(page.path), func(t *testing.T) {
			content, err := os.ReadFile(page.path)
			if err != nil {
				t.Fatal(err)
			}
			blocks := shellBlocks(below(string(content), page.heading))
			if len(blocks) == 0 {
				t.Fatalf("%s has no shell block", page.path)
			}
			// What the README calls build/hsm7 is on the path here.
			script := strings.ReplaceAll(strings.Join(blocks, ""), "build/", "")
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", asThePagesRun+page.given+"\n"+script)
			cmd.Dir, cmd.WaitDelay = t.TempDir(), time.Second
			cmd.Env = append(os.Environ(), "PATH="+binaries+":"+os.Getenv("PATH"), "REPOSITORY="+repository)
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), page.says) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// below returns what stands between a heading and the next one.
func below(page, heading string) string {
	if heading == "" {
		return page
	}
	_, rest, _ := strings.Cut(page, "\n"+heading+"\n")
	section, _, _ := strings.Cut(rest, "\n##")
	return section
}

func shellBlocks(page string) (blocks []string) {
	for {
		_, rest, found := strings.Cut(page, "\n```sh\n")
		if !found {
			return blocks
		}
		block, after, _ := strings.Cut(rest, "```")
		blocks = append(blocks, block)
		page = after
	}
}
