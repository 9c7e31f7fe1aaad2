package httpx

import (
	"encoding/hex"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// PDF describes a document to serve.
type PDF struct {
	Name       string    // for Content-Disposition; ServePDF makes it safe
	ModTime    time.Time // may be zero
	SHA256     []byte    // for the entity tag; may be nil
	Attachment bool      // the browser saves it instead of showing it
}

// ServePDF answers GET and HEAD with ranges.
func ServePDF(w http.ResponseWriter, r *http.Request, doc io.ReaderAt, p PDF) {
	sized, ok := doc.(interface{ Size() int64 })
	if !ok {
		http.Error(
			w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError,
		)
		return
	}
	disposition := "inline"
	if p.Attachment {
		disposition = "attachment"
	}
	h := w.Header()
	h.Set("Content-Type", "application/pdf")
	h.Set("Content-Disposition", contentDisposition(disposition, p.Name))
	// A stricter policy would break browsers' own viewers.
	h.Set("Content-Security-Policy", "frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "private, no-store")
	if len(p.SHA256) > 0 {
		h.Set("ETag", `"`+hex.EncodeToString(p.SHA256)+`"`)
	}
	http.ServeContent(w, r, "", p.ModTime, io.NewSectionReader(doc, 0, sized.Size()))
}

// contentDisposition returns the header with the name in both forms of RFC 6266: ASCII for old
// clients, and UTF-8.
func contentDisposition(kind, name string) string {
	name = fileName(name)
	ascii := strings.Map(func(r rune) rune {
		if r > '~' {
			return '_'
		}
		return r
	}, name)
	v := mime.FormatMediaType(kind, map[string]string{"filename": ascii})
	if ascii != name {
		// FormatMediaType returns only the extended form of a non-ASCII value, filename*=utf-8''...
		full := mime.FormatMediaType(kind, map[string]string{"filename": name})
		if _, ext, ok := strings.Cut(full, "; "); ok {
			v += "; " + ext
		}
	}
	return v
}
