package pades

import (
	"strings"

	"github.com/signet-sign/signet/pades/pdf"
)

// lockedFields returns the full names of the fields that a signature locks: all existing ones
// except signature fields. Without a lock, readers allow a form to be filled in after signing. New
// fields stay allowed, so that other persons can sign. A form whose names take more than
// maxRewritten bytes is not locked.
func lockedFields(d *pdf.Document) ([]string, error) {
	fields, err := d.FormFields()
	if err != nil {
		return nil, err
	}
	var names []string
	size := 0
	for _, f := range fields {
		if f.Terminal && f.Type != "Sig" && f.Name != "" {
			names = append(names, f.Name)
			size += len(f.Name)
		}
	}
	if size > maxRewritten {
		return nil, nil
	}
	return names, nil
}

// writeLock writes the signature field lock (ISO 32000-2, Table 236), and returns its reference and
// the value of the signature's /Reference, a FieldMDP transform with the same fields (12.8.2.4).
// root is the document catalog, the object that the transform is about (Table 256, /Data).
func writeLock(
	u *pdf.Update, root pdf.Ref, names []string,
) (lock pdf.Ref, reference string, err error) {
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i] = pdf.TextString(n)
	}
	what := "/Action /Include /Fields [" + strings.Join(texts, " ") + "]"
	lock = u.Alloc()
	if _, err := u.Put(lock, []byte("<< /Type /SigFieldLock "+what+" >>")); err != nil {
		return lock, "", err
	}
	return lock, "[<< /Type /SigRef /TransformMethod /FieldMDP /Data " + root.String() + " /TransformParams << /Type /TransformParams /V /1.2 " + what + " >> >>]", nil
}
