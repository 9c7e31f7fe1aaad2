package request

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
)

// Lister finds requests for operators. It may run concurrently with everything, and sees what was
// committed: a request whose time is over counts as what it was until a worker has written that
// down, which takes a moment ([Service.List] knows better).
type Lister interface {
	// List returns up to f.Limit requests that match f, newest first: by CreatedAt, then by ID,
	// both descending; or both ascending if f.OldestFirst is set.
	List(ctx context.Context, f Filter) ([]*Request, error)

	// Count counts the requests that match f by their states; Limit and Before do not matter. A
	// state without requests is missing.
	Count(ctx context.Context, f Filter) (map[State]int, error)
}

// Filter says which requests. A zero field does not restrict.
type Filter struct {
	ClientID string
	State    State
	From, To time.Time // created at From or later, and before To

	// Text is part of the document's name, of the signer's name or of the request's id. ASCII
	// letters match in either case. A whole id is looked up.
	Text string

	OldestFirst bool   // the order of the list; else the newest request comes first
	Limit       int    // at most so many; below 1: none
	Before      Cursor // only what follows this one in the list
}

// ByID reports whether Text is a request's id.
func (f Filter) ByID() bool {
	const uuid = 36
	return len(f.Text) == len(api.RequestIDPrefix)+uuid &&
		strings.HasPrefix(f.Text, api.RequestIDPrefix)
}

// Cursor is a place in the list: the last request of the page before.
type Cursor struct {
	CreatedAt time.Time
	ID        string
}

// IsZero reports whether c is the beginning of the list.
func (c Cursor) IsZero() bool { return c.ID == "" }

// String is the form for URLs; ParseCursor reads it.
func (c Cursor) String() string {
	if c.IsZero() {
		return ""
	}
	return strconv.FormatInt(c.CreatedAt.UnixMicro(), 10) + "." + c.ID
}

// ParseCursor reads what String wrote; the empty string is the beginning of the list.
func ParseCursor(text string) (Cursor, error) {
	if text == "" {
		return Cursor{}, nil
	}
	at, id, _ := strings.Cut(text, ".")
	us, err := strconv.ParseInt(at, 10, 64)
	if err != nil || id == "" {
		return Cursor{}, fmt.Errorf("not a place in the list: %q", text)
	}
	return Cursor{CreatedAt: time.UnixMicro(us).UTC(), ID: id}, nil
}

// CursorAt is r's place in the list.
func CursorAt(r *Request) Cursor { return Cursor{r.CreatedAt, r.ID} }

// States lists the states in the order of a request's life.
func States() []State { return slices.Clone(states) }

// List is a page of from's list, each request as it stands now. next is where the following page
// begins; zero: there is none. A request that time has just taken out of f.State is left out.
func (s *Service) List(
	ctx context.Context, from Lister, f Filter,
) (page []*Request, next Cursor, err error) {
	limit := f.Limit
	f.Limit++ // one more tells whether there are more
	page, err = from.List(ctx, f)
	if err != nil {
		return nil, Cursor{}, err
	}
	if len(page) > limit {
		page = page[:limit]
		next = CursorAt(page[limit-1])
	}
	now := s.now()
	for _, r := range page {
		r.settle(now)
	}
	page = slices.DeleteFunc(
		page, func(r *Request) bool { return f.State != "" && r.State != f.State },
	)
	return page, next, nil
}
