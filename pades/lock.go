package pades

import (
	"strings"

	"github.com/signet-sign/signet/pades/pdf"
)

// lockedFields returns the fields that a signature locks: all existing ones except signature
// fields, and those that earlier signatures have locked. Without a lock, readers allow a form to be
// filled in after signing. New fields stay allowed, so that other persons can sign. A form whose
// names take more than maxRewritten bytes is not locked. all reports whether every field that is no
// signature field is locked: fields without a name cannot be.
func lockedFields(d *pdf.Document) (locked []pdf.FormField, all bool, err error) {
	fields, err := d.FormFields()
	if err != nil {
		return nil, false, err
	}
	before, err := d.Permissions()
	if err != nil {
		return nil, false, err
	}
	size := 0
	all = true
	for _, f := range fields {
		switch {
		case !f.Terminal || f.Type == "Sig":
		case f.Name == "":
			all = false
		case !before.Locked(f.Name):
			locked = append(locked, f)
			size += len(f.Name)
		}
	}
	if size > maxRewritten {
		return nil, false, nil
	}
	return locked, all, nil
}

// maxLooks bounds the appearances that repeatLooks writes, in bytes.
const maxLooks = 128 << 10

// repeatLooks writes the appearances of the fields that are locked again, unchanged. pyHanko calls
// one that is older than the lock changed as soon as a further revision follows. Larger ones than
// maxLooks are not repeated. Buttons with states need it not.
func repeatLooks(u *pdf.Update, d *pdf.Document, locked []pdf.FormField) error {
	var looks []pdf.Ref
	size := int64(0)
	seen := make(map[pdf.Ref]bool)
	for _, f := range locked {
		widget, err := d.Load(f.Ref)
		if err != nil {
			return err
		}
		if !widget.Get("AS").IsNull() {
			continue
		}
		look, err := d.Get(widget, "AP")
		if err != nil {
			return err
		}
		for _, key := range []string{"N", "R", "D"} {
			ref, ok := look.Get(key).Ref()
			if !ok || seen[ref] {
				continue
			}
			seen[ref] = true
			o, err := d.Load(ref)
			if err != nil {
				return err
			}
			if o.Kind() != pdf.Stream {
				continue
			}
			data, err := d.RawStream(o)
			if pdf.ReasonOf(err) == pdf.BadStream {
				continue
			}
			if err != nil {
				return err
			}
			if size += int64(len(o.Raw())) + data.Size(); size > maxLooks {
				return nil
			}
			looks = append(looks, ref)
		}
	}
	for _, ref := range looks {
		if err := u.Repeat(ref); err != nil {
			return err
		}
	}
	return nil
}

// restrict writes what a signature allows to later revisions: a signature field lock (ISO 32000-2,
// Table 236) if the document has fields to lock, and with certify, a certification. It returns the
// reference of the lock, zero if there is none, and the value of the signature's /Reference, empty
// if there is none.
//
// A certification allows forms to be filled in, which no other signature does, so a document with
// fields that cannot be locked is not certified. Nor is one with signatures, because a
// certification is the first signature, or one with /Perms, which holds a certification or usage
// rights.
func restrict(
	u *pdf.Update, d *pdf.Document, sig pdf.Ref, certify bool,
) (lock pdf.Ref, reference string, err error) {
	locked, all, err := lockedFields(d)
	if err != nil {
		return lock, "", err
	}
	var transforms []string
	if certify && all {
		ok, err := writeCertification(u, d, sig)
		if err != nil {
			return lock, "", err
		}
		if ok {
			transforms = append(
				transforms,
				"<< /Type /SigRef /TransformMethod /DocMDP /TransformParams << /Type /TransformParams /V /1.2 /P 2 >> >>",
			)
		}
	}
	if len(locked) > 0 {
		if err := repeatLooks(u, d, locked); err != nil {
			return lock, "", err
		}
		fields := lockParameters(locked)
		lock = u.Alloc()
		if _, err := u.Put(lock, []byte("<< /Type /SigFieldLock "+fields+" >>")); err != nil {
			return lock, "", err
		}
		// /Data is the catalog, the object that the transform is about (ISO 32000-2, Table 256).
		transforms = append(
			transforms,
			"<< /Type /SigRef /TransformMethod /FieldMDP /Data "+d.Root().String()+" /TransformParams << /Type /TransformParams /V /1.2 "+fields+" >> >>",
		)
	}
	if len(transforms) == 0 {
		return lock, "", nil
	}
	return lock, "[" + strings.Join(transforms, " ") + "]", nil
}

// lockParameters writes the entries that a signature field lock and a FieldMDP transform share (ISO
// 32000-2, Tables 236 and 258).
func lockParameters(locked []pdf.FormField) string {
	texts := make([]string, len(locked))
	for i, f := range locked {
		texts[i] = pdf.TextString(f.Name)
	}
	return "/Action /Include /Fields [" + strings.Join(texts, " ") + "]"
}

// writeCertification names sig in the catalog as the document's certification (ISO 32000-2,
// 12.8.6), unless the document has signatures or /Perms.
func writeCertification(u *pdf.Update, d *pdf.Document, sig pdf.Ref) (ok bool, err error) {
	earlier, err := signatures(d)
	if err != nil || len(earlier) > 0 || !d.Catalog().Get("Perms").IsNull() {
		return false, err
	}
	return true, u.SetCatalog("Perms", "<< /DocMDP "+sig.String()+" >>")
}
