package pdf

import (
	"cmp"
	"slices"
)

// Permissions are the changes that the signatures of a document allow to later
// revisions (ISO 32000-2, 12.8.2.2 and 12.8.2.4).
type Permissions struct {
	// DocMDP is the strictest access permission that a certification or a lock names:
	// 1 no changes, 2 filling in forms and signing, 3 also annotations; 0 when none does.
	// Document security stores and document timestamps are allowed with each of them.
	DocMDP int
	// Locks are the sets of fields that signatures lock.
	Locks []Lock
}

// Lock is a set of form fields: the parameters of a FieldMDP transform, or the signature
// field lock of a signed field (ISO 32000-2, Tables 236 and 258).
type Lock struct {
	Action string `json:"action"` // All, Include or Exclude
	// full names; a name stands for all fields below it too
	Fields []string `json:"fields,omitempty"`

	tops []string // of Fields; set for locks that were read
}

// Covers reports whether the lock covers the field with a full name.
func (l Lock) Covers(name string) bool {
	tops := l.tops
	if tops == nil {
		tops = topFields(l.Fields)
	}
	// Only the last one that is not after the name can be above it.
	i, listed := slices.BinarySearchFunc(tops, name, compareFields)
	listed = listed || i > 0 && below(name, tops[i-1])
	switch l.Action {
	case "All":
		return true
	case "Include":
		return listed
	case "Exclude":
		return !listed
	}
	return false
}

// topFields returns the names that are below no other one, in the order of compareFields. A form
// may have tens of thousands of fields, all of them in a lock.
func topFields(names []string) []string {
	names = slices.Clone(names)
	slices.SortFunc(names, compareFields)
	tops := names[:0]
	for _, n := range names {
		if len(tops) == 0 || n != tops[len(tops)-1] && !below(n, tops[len(tops)-1]) {
			tops = append(tops, n)
		}
	}
	return tops
}

// compareFields orders full names so that those below a field come right after it.
func compareFields(a, b string) int {
	for i := range min(len(a), len(b)) {
		switch {
		case a[i] == b[i]:
		case a[i] == '.':
			return -1
		case b[i] == '.':
			return 1
		default:
			return cmp.Compare(a[i], b[i])
		}
	}
	return cmp.Compare(len(a), len(b))
}

// below reports whether a field is below another one in the tree of fields.
func below(name, top string) bool {
	return len(name) > len(top) && name[len(top)] == '.' && name[:len(top)] == top
}

// Locked reports whether one of the locks covers a field.
func (p *Permissions) Locked(name string) bool {
	return slices.ContainsFunc(p.Locks, func(l Lock) bool { return l.Covers(name) })
}

// Permissions reads the permissions from all signatures of the document. A lock of a field
// takes effect when the field is signed.
func (d *Document) Permissions() (*Permissions, error) {
	p := new(Permissions)
	certification, err := d.Get(d.catalog, "Perms", "DocMDP")
	if err != nil {
		return nil, err
	}
	if err := p.addReferences(d, certification); err != nil {
		return nil, err
	}
	fields, err := d.SignatureFields()
	if err != nil {
		return nil, err
	}
	for _, f := range fields {
		if !f.Signed() {
			continue
		}
		sig, err := d.Resolve(f.Value)
		if err != nil {
			return nil, err
		}
		if err := p.addReferences(d, sig); err != nil {
			return nil, err
		}
		o, err := d.Load(f.Ref)
		if err != nil {
			return nil, err
		}
		lock, err := d.Get(o, "Lock")
		if err != nil {
			return nil, err
		}
		if err := p.addLock(d, lock); err != nil {
			return nil, err
		}
		if err := p.addLevel(d, lock, 0); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// addReferences reads the /Reference array of a signature dictionary.
func (p *Permissions) addReferences(d *Document, sig Object) error {
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
			err = p.addLevel(d, parms, 2)
		case "FieldMDP":
			err = p.addLock(d, parms)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// addLevel reads /P, which is otherwise if it is absent or out of range.
func (p *Permissions) addLevel(d *Document, parms Object, otherwise int) error {
	o, err := d.Get(parms, "P")
	if err != nil {
		return err
	}
	level := otherwise
	if v, ok := o.Int(); ok && v >= 1 && v <= 3 {
		level = int(v)
	}
	if level > 0 && (p.DocMDP == 0 || level < p.DocMDP) {
		p.DocMDP = level
	}
	return nil
}

func (p *Permissions) addLock(d *Document, parms Object) error {
	action, err := d.Get(parms, "Action")
	if err != nil || action.Name() == "" {
		return err
	}
	list, err := d.elements(parms, "Fields")
	if err != nil {
		return err
	}
	lock := Lock{Action: action.Name()}
	for _, e := range list {
		if e, err = d.Resolve(e); err != nil {
			return err
		}
		if err := d.src.charge(int64(len(e.raw))); err != nil {
			return err
		}
		lock.Fields = append(lock.Fields, e.Text())
	}
	lock.tops = topFields(lock.Fields)
	p.Locks = append(p.Locks, lock)
	return nil
}

// CheckPermissions refuses a document in which new signature fields with the given full
// names must not be added: dynamic XFA, a certification that allows no changes (DocMDP with
// /P 1), and a lock of an existing signature that covers one of the names. It is not part
// of Open, because a signed document that allows no further change can still be verified.
func (d *Document) CheckPermissions(names ...string) error {
	rendering, err := d.Get(d.catalog, "NeedsRendering")
	if err != nil {
		return err
	}
	if rendering.Bool() {
		return refuse(DynamicXFA, "the catalog has /NeedsRendering true")
	}
	p, err := d.Permissions()
	if err != nil {
		return err
	}
	if p.DocMDP == 1 {
		return refuse(Certified, "a signature allows no changes: DocMDP with /P 1")
	}
	for _, l := range p.Locks {
		for _, name := range names {
			if err := d.src.charge(int64(16 * len(l.Fields))); err != nil {
				return err
			}
			if l.Covers(name) {
				return refuse(
					FieldsLocked, "a lock with /Action /%s covers new signature fields", l.Action,
				)
			}
		}
	}
	return nil
}
