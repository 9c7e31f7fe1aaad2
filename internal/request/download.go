package request

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// download is a link and a class of client that used it, which together have a line in the trail.
type download struct {
	id     string // of the request
	exp    int64  // of the link, in Unix seconds
	client string
}

// downloads counts uses of links that are not the first.
type downloads struct {
	mu    sync.Mutex
	again map[download]int
}

// repeat counts a use of a link. Unless it is certain that the trail has the first one, only a
// known download is counted. It reports whether the use was counted.
func (d *downloads) repeat(key download, certain bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.again[key]; !known && !certain {
		return false
	}
	d.again[key]++
	return true
}

// begin makes a download known.
func (d *downloads) begin(key download) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.again[key] += 0
}

// take removes and returns what was counted of the links that ended before a time. If it is zero,
// it takes all.
func (d *downloads) take(before time.Time) map[download]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	taken := map[download]int{}
	for key, n := range d.again {
		if before.IsZero() || time.Unix(key.exp, 0).Before(before) {
			taken[key] = n
			delete(d.again, key)
		}
	}
	return taken
}

// usedLinks is the name under which the store keeps the downloads that the trail has. It contains a
// space, so it is not the client id of a relying party.
const usedLinks = "used links"

// Downloaded notes in the trail that a link was used, by any method and for any part of the
// document. expires is that of the link, which [Service.Follow] has checked.
//
// The first use of a link by a class of client writes a line, whichever node answers it; its ticket
// makes it one. Further uses are counted in memory and become one line when the link has ended, so
// the holder of a link cannot fill the trail. A process that is killed loses its count. first
// reports whether the use wrote a line.
func (s *Service) Downloaded(
	ctx context.Context, id, expires, userAgent string,
) (first bool, err error) {
	exp, err := strconv.ParseInt(expires, 10, 64)
	if err != nil {
		return false, err
	}
	key := download{id, exp, clientClass(userAgent)}
	if s.downloads.repeat(key, false) {
		return false, nil
	}
	err = s.update(ctx, id, func(_ *Request, now time.Time) (e Effects, err error) {
		e.Ticket = Ticket{
			ClientID: usedLinks, JTI: fmt.Sprintf("%s %d %s", id, exp, key.client),
			KeepUntil: time.Unix(exp, 0),
		}
		e.record(now, EventDownloaded, Detail{Client: key.client, Until: linkEnd(exp)})
		return e, nil
	})
	if errors.Is(err, ErrTicketUsed) {
		s.downloads.repeat(key, true)
		return false, nil
	}
	if err == nil {
		s.downloads.begin(key)
	}
	return err == nil, err
}

// countDownloads writes down the repeated downloads of links that ended before a time, or of all
// links if it is zero. What cannot be written is counted again.
func (s *Service) countDownloads(ctx context.Context, before time.Time) error {
	taken := s.downloads.take(before)
	keys := slices.SortedFunc(maps.Keys(taken), func(a, b download) int {
		return strings.Compare(a.id+a.client, b.id+b.client)
	})
	var errs []error
	for _, key := range keys {
		n := taken[key]
		if n == 0 {
			continue
		}
		err := s.update(ctx, key.id, func(_ *Request, now time.Time) (e Effects, err error) {
			e.record(now, EventDownloadedAgain, Detail{
				Client: key.client, Until: linkEnd(key.exp), Count: strconv.Itoa(n),
			})
			return e, nil
		})
		if err != nil {
			errs = append(errs, err)
			for range n {
				s.downloads.repeat(key, true)
			}
		}
	}
	return errors.Join(errs...)
}

func linkEnd(exp int64) string { return time.Unix(exp, 0).UTC().Format(time.RFC3339) }

// clientClass is the class of the client with a User-Agent header. The classes are few, because the
// client chooses the header and each class has a line in the trail.
func clientClass(userAgent string) string {
	switch {
	case userAgent == "":
		return "unnamed"
	case strings.HasPrefix(userAgent, "Mozilla/"):
		return "browser"
	default:
		return "program"
	}
}
