package report

import (
	_ "embed"
	"html/template"
	"io"
	"strconv"
	"strings"
)

//go:embed page.html
var page string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"grouped": Number, "figure": isFigure, "figures": figures}).Parse(page))

// HTML writes the report as a page that needs no other file and no network.
func (r *Report) HTML(w io.Writer) error { return pageTemplate.Execute(w, r) }

// isFigure reports whether a cell of a table has a number.
func isFigure(cell string) bool { return strings.Trim(cell, "0123456789,") == "" }

// figures reports whether a column of a table has numbers.
func figures(t Table, column int) bool {
	return len(t.Rows) > 0 && column < len(t.Rows[0]) && isFigure(t.Rows[0][column])
}

// Number writes a number with a comma between thousands.
func Number(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
