package report

import (
	_ "embed"
	"html/template"
	"io"
	"strconv"
)

//go:embed page.html
var page string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"grouped": grouped}).Parse(page))

// HTML writes the report as a page that needs no other file and no network.
func (r *Report) HTML(w io.Writer) error { return pageTemplate.Execute(w, r) }

// grouped writes a number with a comma between thousands.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
