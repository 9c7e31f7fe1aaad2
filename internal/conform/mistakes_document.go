package conform

import (
	"bytes"

	"github.com/signet-sign/signet/api"
)

// documentMistakes are about the rules of documents and of places in them: 3.5 and 3.8.
func documentMistakes() []Mistake {
	return []Mistake{
		lenient("accepts-large-documents", "3.5.1", func(e *exchange) bool {
			return len(e.sent) >= api.MaxDocumentBytes
		}),
		strict("refuses-5-mb", "3.5.1", func(e *exchange) bool { return len(e.sent) > 5_000_000 }),
		lenient("accepts-no-pdf", "3.5.2", func(e *exchange) bool {
			return !bytes.HasPrefix(e.sent, []byte("%PDF-"))
		}),
		lenient("looks-at-the-first-bytes-only", "3.5.2", func(e *exchange) bool {
			return bytes.HasPrefix(e.sent, []byte("%PDF-"))
		}),
		strict("refuses-a-line-after-the-end", "3.5.2", func(e *exchange) bool {
			return bytes.HasSuffix(e.sent, []byte("EOF\r\n\r\n"))
		}),
		lenient("accepts-encrypted-documents", "3.5.3", sends("/Encrypt")),
		lenient("accepts-hybrid-documents", "3.5.4", sends("/XRefStm")),
		lenient("accepts-boxes-on-signatures", "3.5.6", sends("/ByteRange")),
		lenient("accepts-small-pages", "3.5.7", sends("[0 0 200 50]")),
		lenient("accepts-scripts", "3.5.9", sends("/JavaScript")),
		lenient("looks-for-open-actions-only", "3.5.9", sends("/Names <<")),
		lenient("accepts-launch-actions", "3.5.9", sends("/Launch")),
		lenient("ignores-the-rotation", "3.8.1", sends("/Rotate")),
		lenient("ignores-the-crop-box", "3.8.1", sends("/CropBox")),
		strict("ignores-the-rotation-of-landscapes", "3.8.1", func(e *exchange) bool {
			return sends("/Rotate")(e) && len(e.places()) == 1 && e.places()[0].X > "0.6"
		}),
		lenient("accepts-boxes-off-the-page", "3.8.3", func(e *exchange) bool {
			return len(e.places()) == 1
		}),
		lenient("checks-the-first-box-only", "3.8.3", func(e *exchange) bool {
			return len(e.places()) == 2
		}),
		lenient("accepts-boxes-that-overlap", "3.8.4", func(e *exchange) bool {
			return len(e.places()) == 2
		}),
		strict("refuses-boxes-that-touch", "3.8.4", func(e *exchange) bool {
			return len(e.places()) == 3
		}),
	}
}
