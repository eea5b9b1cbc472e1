package fuf

import (
	"cmp"
	"fmt"
	"slices"
	"unicode"
)

// Limits of a release, so that a manifest always fits the signed part.
const (
	maxName  = 64      // bytes of a product, model, commit or toolchain
	maxList  = 64      // elements of a list
	maxNotes = 8 << 10 // bytes of the release notes
)

// Check reports the first value that makes no sense, as an error that carries
// ErrManifest.
func (r *Release) Check() error {
	for _, rule := range r.rules() {
		if !rule.ok {
			return fmt.Errorf("%w: %s", ErrManifest, rule.must)
		}
	}
	return nil
}

type rule struct {
	ok   bool
	must string
}

func (r *Release) rules() []rule {
	return []rule{
		{known(kindNames, r.Kind), "the kind must be firmware, capability or module"},
		{isName(r.Product), "the product must have a name"},
		{r.modelsOK(), "the models must be sorted names, at least one"},
		{r.validFromOK(), "the versions it is valid from must be sorted ranges that do not overlap, at least one"},
		{known(migrationNames, r.Data.Class), "the class of migration must be none, in-place or copy"},
		{r.Data.From <= r.Data.To, "the data schema must not fall"},
		{r.Data.From == r.Data.To || r.Data.Class != MigrateNone, "a new data schema needs a migration"},
		{known(rollbackNames, r.Rollback), "a rollback must be destroys or impossible"},
		{ascending(r.Requires.PoliciesOff, cmp.Compare[uint32]), "the policies must be sorted numbers, at most 64"},
		{r.Requires.FreePercent <= 100, "free storage is at most 100 percent"},
		{len(r.Notes) <= maxNotes, "the release notes have more than 8 KiB"},
		{isText(r.Notes), "the release notes must be plain text"},
		{isNameOrEmpty(r.Provenance.Commit), "the commit must be a name"},
		{isNameOrEmpty(r.Provenance.Toolchain), "the toolchain must be a name"},
		{r.NotBefore >= 0 && r.NotAfter >= 0, "a time must not be before 1970"},
		{r.NotAfter == 0 || r.NotBefore <= r.NotAfter, "it would expire before it is valid"},
		{r.Size > 0 && r.Size <= MaxPayload, "the payload must have 1 byte to 16 MiB"},
	}
}

func (r *Release) modelsOK() bool {
	return len(r.Models) > 0 && ascending(r.Models, cmp.Compare[string]) && !slices.ContainsFunc(r.Models, func(m string) bool { return !isName(m) })
}

// validFromOK holds if each range ends before the next one begins.
func (r *Release) validFromOK() bool {
	if len(r.ValidFrom) == 0 || len(r.ValidFrom) > maxList {
		return false
	}
	for i, v := range r.ValidFrom {
		if v.From.Compare(v.To) > 0 || i > 0 && r.ValidFrom[i-1].To.Compare(v.From) >= 0 {
			return false
		}
	}
	return true
}

// ascending holds if list is sorted, names nothing twice and is not too long.
func ascending[T any](list []T, compare func(a, b T) int) bool {
	for i := 1; i < len(list); i++ {
		if compare(list[i-1], list[i]) >= 0 {
			return false
		}
	}
	return len(list) <= maxList
}

func isName(s string) bool { return s != "" && isNameOrEmpty(s) }

// isNameOrEmpty holds for what can be printed in one line.
func isNameOrEmpty(s string) bool {
	return len(s) <= maxName && isText(s) && !slices.ContainsFunc([]rune(s), unicode.IsControl)
}

// isText holds for what a terminal may be given: release notes must not move its
// cursor.
func isText(s string) bool {
	return !slices.ContainsFunc([]rune(s), func(c rune) bool {
		return c != '\n' && c != '\t' && !unicode.IsPrint(c)
	})
}
