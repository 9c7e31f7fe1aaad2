package pades

import (
	"maps"
	"slices"
	"strings"

	"github.com/signet-sign/signet/pades/pdf"
)

// storeKeys are the entries of a document security store (EN 319 142-1, 5.4.2.2).
var storeKeys = strings.Fields("Type Certs OCSPs CRLs VRI TU TS")

// store explains the document security store. Its dictionary, and that of /VRI,
// may be updated in place, in their own keys only: the same object could serve
// as something visible too. All else that it gains must be new objects.
func (c *differ) store(dss pdf.Object) error {
	was := c.old.Catalog().Get("DSS")
	before, err := c.old.Resolve(was)
	if err != nil {
		return err
	}
	after, err := c.now.Resolve(dss)
	if err != nil {
		return err
	}
	own := func(key string) bool { return slices.Contains(storeKeys, key) }
	if !c.inPlace(was, dss, before, after, own) {
		c.forbid("/DSS was replaced by an object that had another use")
		return nil
	}
	vriBefore, err := c.old.Get(before, "VRI")
	if err != nil {
		return err
	}
	vriAfter, err := c.now.Get(after, "VRI")
	if err != nil {
		return err
	}
	anyHash := func(key string) bool { return len(key) == 40 && strings.Trim(key, "0123456789ABCDEFabcdef") == "" }
	if !c.inPlace(before.Get("VRI"), after.Get("VRI"), vriBefore, vriAfter, anyHash) {
		c.forbid("/VRI was replaced by an object that had another use")
		return nil
	}
	reached := make(map[int]bool)
	for _, o := range []pdf.Object{after, vriAfter} {
		if err := walk(c.now, o, reached, c.isNew); err != nil {
			return err
		}
	}
	maps.Copy(c.explained, reached)
	if dss.Raw() != was.Raw() || before.Raw() != after.Raw() || vriBefore.Raw() != vriAfter.Raw() {
		c.allow("revocation data was added")
	}
	return nil
}

// inPlace explains a dictionary that was or became the value of a key: a new
// or direct one, or the old one with changes in its own keys only.
func (c *differ) inPlace(was, is, before, after pdf.Object, own func(key string) bool) bool {
	ref, indirect := is.Ref()
	if !indirect {
		return true
	}
	if c.isNew(ref) || !c.changed[ref.Num] && was.Raw() == is.Raw() {
		c.explained[ref.Num] = true
		return true
	}
	if was.Raw() != is.Raw() {
		return false
	}
	for _, key := range keysOf(before, after) {
		if before.Get(key).Raw() != after.Get(key).Raw() && !own(key) {
			return false
		}
	}
	c.explained[ref.Num] = true
	return true
}
