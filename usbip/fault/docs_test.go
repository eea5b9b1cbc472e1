package fault_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/usbip/fault"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

// examples returns the scripts of docs/faults.md.
func examples(t *testing.T) (page string, scripts []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```faults\n(.*?)```").FindAllSubmatch(text, -1) {
		scripts = append(scripts, string(block[1]))
	}
	return string(text), scripts
}

// TestEveryFaultHasItsPlaceOnThePage, in a table, in an example and in the grammar.
func TestEveryFaultHasItsPlaceOnThePage(t *testing.T) {
	page, scripts := examples(t)
	_, err := fault.Parse("on any: ?")
	_, links := fault.Parse("connection: ?")
	words := regexp.MustCompile(`"([a-z-]+)"`).FindAllStringSubmatch(err.Error()+links.Error(), -1)
	if len(words) != 23 {
		t.Fatalf("the parser knows %v", words)
	}
	reply := 0
	for _, match := range words {
		word := match[1]
		if !strings.Contains(page, "| `"+word) || !strings.Contains(page, `"`+word+`"`) {
			t.Errorf("%s is not in a table, or not in the grammar", word)
		}
		example := slices.ContainsFunc(scripts, func(s string) bool { return strings.Contains(s, ": "+word) || strings.Contains(s, ", "+word) })
		if !example {
			reply++ // it is refused by the simulator
			if s, err := fault.Parse("on any: " + word); err != nil || fault.New(fault.Options{}).Load(s) == nil {
				t.Errorf("%s has no example", word)
			}
		}
	}
	if reply != 9 {
		t.Errorf("%d faults are refused", reply)
	}
}

// TestExamplesOfThePageHappen plays each example until each of its rules has fired.
func TestExamplesOfThePageHappen(t *testing.T) {
	_, scripts := examples(t)
	for _, script := range scripts {
		if strings.Contains(script, "connection") {
			continue // TestDeviceWorksOverABadConnection is about these
		}
		name, _, _ := strings.Cut(script, "\n")
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playExample(t, script) })
		})
	}
}

func playExample(t *testing.T, script string) {
	any := func(string) (func([]byte) bool, error) { return func([]byte) bool { return true }, nil }
	b := newBenchWith(t, fault.Options{Commands: any})
	b.load(script)
	b.receive()
	b.send(slices.Repeat([]string{strings.Repeat("data", 300)}, 1000)...)
	fired := func() bool {
		return !slices.ContainsFunc(b.injector.Report().Rules, func(r fault.RuleReport) bool { return r.Fired == 0 })
	}
	text := &usb.URB{Endpoint: 0x80, Buffer: make([]byte, 255), Setup: usb.Setup{
		RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: 0x0302, Length: 255,
	}}
	for round := 0; !fired(); round++ {
		if round == 500 {
			t.Fatalf("not every rule has fired: %+v", b.injector.Report())
		}
		time.Sleep(50 * time.Millisecond)
		all := []pending{b.read(4096), b.write("data"), b.start(event()), b.start(text)}
		for _, p := range all {
			synctest.Wait()
			b.port.Cancel(p.URB) // what is held for ever, or has nothing to send
			<-p.done
		}
		for _, endpoint := range []uint16{usbtest.BulkIn, usbtest.BulkOut} {
			b.start(&usb.URB{Setup: usb.Setup{
				RequestType: usb.RecipientEndpoint, Request: usb.ClearFeature, Value: usb.FeatureEndpointHalt, Index: endpoint,
			}})
		}
	}
}
