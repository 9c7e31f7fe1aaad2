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

// Lister finds requests for operators. It may run concurrently with changes, and sees what is
// committed: an expired request has its old state until a worker has stored the change, which takes
// a moment. [Service.List] corrects that.
type Lister interface {
	// List returns up to f.Limit requests that match f, newest first: by the column f.Sort, by
	// CreatedAt and by ID, all descending; or all ascending if f.OldestFirst is set.
	List(ctx context.Context, f Filter) ([]*Request, error)

	// Count counts the requests that match f by state, ignoring Before. If f.Limit is not 0 it
	// stops at so many of each state. A state without requests is missing.
	Count(ctx context.Context, f Filter) (map[State]int, error)

	// Timeline counts the requests that were created in each of n steps of time from a time on, by
	// state.
	Timeline(
		ctx context.Context, from time.Time, step time.Duration, n int,
	) ([]map[State]int, error)
}

// Filter selects requests. A zero field does not restrict.
type Filter struct {
	ClientID string
	State    State
	From, To time.Time // created at From or later, and before To

	// Text is part of the document's name, of the signer's name or of the request's id. ASCII
	// letters match in either case. A whole id is looked up.
	Text string

	Sort        Sort   // groups the list by a column
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

// Sort is a column by whose values a list is grouped. Each has an index together with CreatedAt.
type Sort string

// The columns of Sort; "" is none.
const (
	SortState  Sort = "state"
	SortClient Sort = "client_id"
)

// CursorAt returns r's place in the list of f. r has the state that the store has.
func (f Filter) CursorAt(r *Request) Cursor {
	c := Cursor{CreatedAt: r.CreatedAt, ID: r.ID}
	switch f.Sort {
	case SortState:
		c.Group = string(r.State)
	case SortClient:
		c.Group = r.ClientID
	}
	return c
}

// Cursor is a place in the list: the last request of the previous page.
type Cursor struct {
	Group     string // the value in the column that the list is grouped by
	CreatedAt time.Time
	ID        string
}

// IsZero reports whether c is the beginning of the list.
func (c Cursor) IsZero() bool { return c.ID == "" }

// String returns the form for URLs, which ParseCursor parses.
func (c Cursor) String() string {
	if c.IsZero() {
		return ""
	}
	text := strconv.FormatInt(c.CreatedAt.UnixMicro(), 10) + "." + c.ID
	if c.Group != "" {
		text += "." + c.Group
	}
	return text
}

// ParseCursor parses the result of String. The empty string is the beginning of the list.
func ParseCursor(text string) (Cursor, error) {
	if text == "" {
		return Cursor{}, nil
	}
	at, rest, _ := strings.Cut(text, ".")
	id, group, _ := strings.Cut(rest, ".")
	us, err := strconv.ParseInt(at, 10, 64)
	if err != nil || id == "" {
		return Cursor{}, fmt.Errorf("not a place in the list: %q", text)
	}
	return Cursor{Group: group, CreatedAt: time.UnixMicro(us).UTC(), ID: id}, nil
}

// States returns the states in the order of a request's life.
func States() []State { return slices.Clone(states) }

// Page is a part of a list.
type Page struct {
	Requests    []*Request
	First, Last Cursor // zero if the store has none
	More        bool   // requests follow
}

// List returns a page of from's list, with each request in its present state. It leaves out a
// request if f.State is its state in the store and no longer its present one.
func (s *Service) List(ctx context.Context, from Lister, f Filter) (Page, error) {
	limit := f.Limit
	f.Limit++ // one more shows whether there is a next page
	list, err := from.List(ctx, f)
	if err != nil {
		return Page{}, err
	}
	var page Page
	if page.More = len(list) > limit; page.More {
		list = list[:limit]
	}
	if n := len(list); n > 0 {
		page.First, page.Last = f.CursorAt(list[0]), f.CursorAt(list[n-1])
	}
	for _, r := range list {
		r.settle(s.NowOf(r.ID))
	}
	page.Requests = slices.DeleteFunc(
		list, func(r *Request) bool { return f.State != "" && r.State != f.State },
	)
	return page, nil
}
