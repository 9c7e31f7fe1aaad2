package pades

import (
	"slices"
	"strings"

	"github.com/signet-sign/signet/pades/pdf"
)

// storeKeys are the entries of a document security store (EN 319 142-1, 5.4.2.2).
var storeKeys = strings.Fields("Type Certs OCSPs CRLs VRI TU TS")

// store explains the document security store. Its dictionary, and that of /VRI, may be updated in
// place, in their own keys only, because the same object could also be displayed. Everything else
// that is added must be new objects.
func (c *differ) store(dss pdf.Object) error {
	was := c.old.Catalog().Get("DSS")
	owner := c.now.Root().Num
	if ref, ok := dss.Ref(); ok {
		owner = ref.Num
	}
	before, after, err := c.resolveBoth(was, dss)
	if err != nil {
		return err
	}
	if after.IsNull() && !before.IsNull() {
		c.other(0, "the revocation data was removed")
		return nil
	}
	if lost, err := c.lost(before, after); err != nil {
		return err
	} else if lost {
		c.other(0, "a part of the revocation data was removed")
		return nil
	}
	own := func(key string) bool { return slices.Contains(storeKeys, key) }
	if !c.inPlace(was, dss, before, after, own) {
		c.other(0, "/DSS was replaced by an object that had another use")
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
	anyHash := func(key string) bool {
		return len(key) == 40 && strings.Trim(key, "0123456789ABCDEFabcdef") == ""
	}
	if !c.inPlace(before.Get("VRI"), after.Get("VRI"), vriBefore, vriAfter, anyHash) {
		c.other(0, "/VRI was replaced by an object that had another use")
		return nil
	}
	// The lists may be separate objects that are updated in place.
	values := []pdf.Object{after, vriAfter}
	for _, key := range []string{"Certs", "OCSPs", "CRLs"} {
		a, b := before.Get(key), after.Get(key)
		ref, ok := b.Ref()
		if was, _ := a.Ref(); !ok || was != ref || !c.changed[ref.Num] {
			continue
		}
		added, kept, err := c.added(a, b, owner)
		if err != nil {
			return err
		}
		if !kept {
			delete(c.explained, ref.Num)
			continue
		}
		values = append(values, added...)
	}
	if err := c.explainNew(values...); err != nil {
		return err
	}
	if !pdf.Equal(dss, was) || !pdf.Equal(before, after) || !pdf.Equal(vriBefore, vriAfter) ||
		len(values) > 2 {
		c.add(Change{Kind: ChangeArchive, Text: "revocation data was added"})
	}
	return nil
}

// lost reports whether the later store lacks a certificate, response or list of the older one,
// which may be what says that a certificate was revoked. It may be in another object, and stand
// among those of all signatures instead of those of one (/VRI).
func (c *differ) lost(before, after pdf.Object) (bool, error) {
	for _, kind := range []string{"Cert", "OCSP", "CRL"} {
		old, err := allStored(c.old, before, kind)
		if err != nil {
			return false, ignore(err, errNotArray)
		}
		now, err := allStored(c.now, after, kind)
		if err != nil {
			return true, ignore(err, errNotArray)
		}
		kept := make(map[pdf.Ref]bool, len(now))
		for _, o := range now {
			ref, _ := o.Ref()
			kept[ref] = !c.changed[ref.Num]
		}
		var stored map[string]bool // contents of now
		for _, o := range old {
			if ref, _ := o.Ref(); kept[ref] {
				continue
			}
			if stored == nil {
				stored = make(map[string]bool)
				for _, o := range now {
					data, err := storedIn(c.now, o)
					if err != nil {
						return false, err
					}
					stored[data] = true
				}
			}
			data, err := storedIn(c.old, o)
			if err != nil || data != "" && !stored[data] {
				return err == nil, err
			}
		}
	}
	return false, nil
}

// allStored returns what a store has of a kind, for all signatures and for single ones.
func allStored(d *pdf.Document, store pdf.Object, kind string) ([]pdf.Object, error) {
	all, err := list(d, store.Get(kind+"s"))
	if err != nil {
		return nil, err
	}
	single, err := d.Get(store, "VRI")
	if err != nil {
		return nil, err
	}
	for _, o := range single.Entries() {
		if o, err = d.Resolve(o); err != nil {
			return nil, err
		}
		some, err := list(d, o.Get(kind))
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// storedIn returns the data of an element of a store, "" if it has none.
func storedIn(d *pdf.Document, o pdf.Object) (string, error) {
	o, err := d.Resolve(o)
	if err != nil || o.Kind() != pdf.Stream {
		return "", err
	}
	data, err := d.Decode(o)
	if pdf.ReasonOf(err) == pdf.UnsupportedFilter || pdf.ReasonOf(err) == pdf.BadStream {
		return "", nil
	}
	return string(data), err
}

// inPlace explains a dictionary that is the new value of a key: a new or direct one, or the old one
// with changes in its own keys only.
func (c *differ) inPlace(was, is, before, after pdf.Object, own func(key string) bool) bool {
	ref, indirect := is.Ref()
	if !indirect {
		return true
	}
	same := pdf.Equal(was, is)
	if c.isNew(ref) || !c.changed[ref.Num] && same {
		c.explained[ref.Num] = true
		return true
	}
	if !same {
		return false
	}
	for _, key := range keysOf(before, after) {
		if !pdf.Equal(before.Get(key), after.Get(key)) && !own(key) {
			return false
		}
	}
	c.explained[ref.Num] = true
	return true
}
