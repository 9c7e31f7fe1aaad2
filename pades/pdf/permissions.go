package pdf

import "strings"

// CheckPermissions refuses a document in which new signature fields with the
// given full names must not be added: dynamic XFA, a certification that allows
// no changes (DocMDP with P 1), and a lock (FieldMDP, /Lock) of an existing
// signature that covers one of the names. It is not part of Open, because a
// signed document that allows no further change can still be verified.
func (d *Document) CheckPermissions(names ...string) error {
	rendering, err := d.Get(d.catalog, "NeedsRendering")
	if err != nil {
		return err
	}
	if rendering.Bool() {
		return refuse(DynamicXFA, "the catalog has /NeedsRendering true")
	}
	certified, err := d.Get(d.catalog, "Perms", "DocMDP")
	if err != nil {
		return err
	}
	if err := d.checkReferences(certified, names); err != nil {
		return err
	}
	fields, err := d.SignatureFields()
	if err != nil {
		return err
	}
	for _, f := range fields {
		if !f.Signed() {
			continue // its /Lock takes effect when it is signed
		}
		sig, err := d.Resolve(f.Value)
		if err != nil {
			return err
		}
		if err := d.checkReferences(sig, names); err != nil {
			return err
		}
		o, err := d.Load(f.Ref)
		if err != nil {
			return err
		}
		lock, err := d.Get(o, "Lock")
		if err != nil {
			return err
		}
		if err := d.checkLock(lock, names); err != nil {
			return err
		}
		if err := d.checkCertification(lock); err != nil {
			return err
		}
	}
	return nil
}

// checkReferences judges the /Reference array of a signature dictionary
// (ISO 32000-2, 12.8.2).
func (d *Document) checkReferences(sig Object, names []string) error {
	refs, err := d.elements(sig, "Reference")
	if err != nil {
		return err
	}
	for _, r := range refs {
		method, err := d.Get(r, "TransformMethod")
		if err != nil {
			return err
		}
		parms, err := d.Get(r, "TransformParams")
		if err != nil {
			return err
		}
		switch method.Name() {
		case "DocMDP":
			err = d.checkCertification(parms)
		case "FieldMDP":
			err = d.checkLock(parms, names)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *Document) checkCertification(parms Object) error {
	p, err := d.Get(parms, "P")
	if err != nil {
		return err
	}
	if v, ok := p.Int(); ok && v == 1 {
		return refuse(Certified, "a signature allows no changes: DocMDP with /P 1")
	}
	return nil
}

// checkLock judges a lock dictionary or the parameters of FieldMDP.
func (d *Document) checkLock(lock Object, names []string) error {
	action, err := d.Get(lock, "Action")
	if err != nil {
		return err
	}
	listed := func(name string) (bool, error) {
		list, err := d.elements(lock, "Fields")
		if err != nil {
			return false, err
		}
		for _, e := range list {
			e, err := d.Resolve(e)
			if err != nil {
				return false, err
			}
			if err := d.src.charge(int64(len(e.raw))); err != nil {
				return false, err
			}
			if n := e.Text(); n == name || strings.HasPrefix(name, n+".") {
				return true, nil
			}
		}
		return false, nil
	}
	for _, name := range names {
		in, err := listed(name)
		if err != nil {
			return err
		}
		locked := false
		switch action.Name() {
		case "All":
			locked = true
		case "Include":
			locked = in
		case "Exclude":
			locked = !in
		}
		if locked {
			return refuse(FieldsLocked, "a lock with /Action /%s covers the new field %q", action.Name(), name)
		}
	}
	return nil
}
