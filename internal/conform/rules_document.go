package conform

import (
	"bytes"
	"context"
	"slices"

	"github.com/signet-sign/signet/api"
)

// documentRules are those of docs/contract.md, 3.5 and 3.8.
func documentRules() []rule {
	refuses := func(variants ...variant) func(context.Context, *judge) {
		return func(ctx context.Context, j *judge) {
			j.each(ctx, j.initiate, refused, variants...)
		}
	}
	both := func(accept []variant, refuse ...variant) func(context.Context, *judge) {
		return func(ctx context.Context, j *judge) {
			j.each(ctx, j.initiate, accepted, accept...)
			j.each(ctx, j.initiate, refused, refuse...)
		}
	}
	pdf := func(d document) edit { return body(d.bytes()) }
	whole := document{}.bytes()
	return []rule{
		{"3.5.1", page, "A document has less than 10 MiB", both(
			[]variant{with("9,999,999 bytes", pdf(document{size: 9_999_999}))},
			with("10 MiB", pdf(document{size: api.MaxDocumentBytes})),
		)},
		{"3.5.2", decided, "A document is a PDF that can be read whole", both(
			[]variant{with(
				"lines after the end", body(append(bytes.TrimSpace(whole), "\r\n\r\n"...)),
			)},
			with("text", body([]byte("This is no PDF."))),
			with("half of a PDF", body(whole[:len(whole)/2])),
			with(
				"bytes after the end", body(slices.Concat(whole, bytes.Repeat([]byte("x"), 2000))),
			),
		)},
		{"3.5.3", page, "A document is not encrypted", refuses(
			with("encrypted", pdf(document{trailer: encryption})),
		)},
		{"3.5.4", page, "A document is no hybrid-reference file", refuses(
			with("hybrid", pdf(document{hybrid: true})),
		)},
		{"3.5.6", page, "No visible signature lies under a requested box", judgeBoxOnSignature},
		{"3.5.7", page, "A page is at least as large as the box", refuses(
			with(
				"a page of 200 x 50 pt", pdf(document{width: 200, height: 50}),
				locations(place(1, 0, 0)),
			),
		)},
		{"3.5.9", decided, "A document has no content that executes", refuses(
			with(
				"JavaScript",
				pdf(document{catalog: "/OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >>"}),
			),
			with("JavaScript by name", pdf(document{
				catalog: "/Names << /JavaScript << /Names [(a) << /S /JavaScript /JS (a) >>] >> >>",
			})),
			with("an action that launches a program", pdf(document{
				catalog: "/OpenAction << /S /Launch /F (a.exe) >>",
			})),
			with("an additional action", pdf(document{
				page: "/AA << /O << /S /JavaScript /JS (a) >> >>",
			})),
		)},
		{"3.8.1", page, "x and y are fractions of the displayed page", both(
			[]variant{with(
				"a page turned to 842 x 595 pt", pdf(document{page: "/Rotate 90"}),
				locations(place(1, 0.7, 0.1)),
			)},
			with(
				"a box too high for a page turned to 842 x 595 pt",
				pdf(document{page: "/Rotate 90"}), locations(place(1, 0.1, 0.92)),
			),
			with(
				"a box too wide for a page cropped to 300 x 842 pt",
				pdf(document{page: "/CropBox [0 0 300 842]"}), locations(place(1, 0.3, 0.1)),
			),
		)},
		{"3.8.3", observed, "The whole box is on the page", refuses(
			with("too far right", locations(place(1, 0.7, 0.1))),
			with("too high", locations(place(1, 0.1, 0.95))),
			with("too high in the second place", locations(box, place(1, 0.1, 0.95))),
		)},
		{"3.8.4", decided, "Boxes of one request do not overlap", both(
			[]variant{with("beside each other and above", locations(
				box, place(1, 0.4707, 0.1), place(1, 0.1, 0.1713),
			))},
			with("overlap", locations(box, place(1, 0.2, 0.12))),
		)},
	}
}

func judgeBoxOnSignature(ctx context.Context, j *judge) {
	file := j.download(ctx)
	j.each(ctx, j.initiate, refused, with("the same box again", body(file)))
}
