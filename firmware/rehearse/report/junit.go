package report

import (
	"encoding/xml"
	"fmt"
	"io"
)

// The elements of JUnit's files that CI systems agree on.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class    string         `xml:"classname,attr"`
		Name     string         `xml:"name,attr"`
		Failures []junitFailure `xml:"failure"`
		Skipped  *junitSkipped  `xml:"skipped"`
		Out      string         `xml:"system-out,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	junitSkipped struct {
		Message string `xml:"message,attr"`
	}
)

// JUnit writes the report with a test suite for each phase. Each failure has the
// command that shows it again.
func (r *Report) JUnit(w io.Writer) error {
	all := junitSuites{Name: "hsm7 fuf rehearse " + r.File.Name}
	for _, p := range r.Phases {
		s := p.suite()
		all.Tests, all.Failures = all.Tests+s.Tests, all.Failures+s.Failures
		all.Suites = append(all.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (p *Phase) suite() junitSuite {
	s := junitSuite{Name: p.Name}
	cases := p.Cases
	if p.Skipped != "" {
		cases = []Case{{Name: p.Title}}
	}
	for _, c := range cases {
		j := junitCase{Class: p.Name, Name: c.Name, Out: fmt.Sprintf("%s tried: %d", p.Unit, c.Tried)}
		for _, f := range p.Failures {
			if f.Case == c.Name {
				j.Failures = append(j.Failures, junitFailure{f.Rule, f.Detail + "\n" + f.Reproduce})
			}
		}
		if len(j.Failures) > 0 {
			s.Failures++
		}
		if p.Skipped != "" {
			j.Skipped, j.Out = &junitSkipped{p.Skipped}, ""
			s.Skipped++
		}
		s.Cases = append(s.Cases, j)
	}
	s.Tests = len(s.Cases)
	return s
}
