package pades

import (
	"strings"

	"github.com/signet-sign/signet/pades/pdf"
)

// lockedFields returns the full names of the fields that a signature locks: all existing ones
// except signature fields. Without a lock, readers allow a form to be filled in after signing. New
// fields stay allowed, so that other persons can sign. A form whose names take more than
// maxRewritten bytes is not locked. all reports whether names has every field that is no signature
// field: fields without a name cannot be locked.
func lockedFields(d *pdf.Document) (names []string, all bool, err error) {
	fields, err := d.FormFields()
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
		default:
			names = append(names, f.Name)
			size += len(f.Name)
		}
	}
	if size > maxRewritten {
		return nil, false, nil
	}
	return names, all, nil
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
	names, all, err := lockedFields(d)
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
	if len(names) > 0 {
		fields := lockParameters(names)
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
func lockParameters(names []string) string {
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i] = pdf.TextString(n)
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
