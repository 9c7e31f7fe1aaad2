package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// row is one line of the result.
type row struct{ what, got, goal string }

// all runs the measures and prints the table.
func (b *bench) all(ctx context.Context) error {
	database := "SQLite FULL"
	if b.database != "" {
		database = "PostgreSQL"
	}
	var rows []row
	for _, m := range []struct {
		name string
		run  func(context.Context) ([]row, error)
	}{
		{"cancel", b.cancel},
		{"initiate", b.initiate},
		{"exact", b.exactly},
		{"events", b.events},
		{"crowd", b.crowded},
		{"uploads", b.held},
		{"start", b.start},
	} {
		if b.only != "" && b.only != m.name {
			continue
		}
		profiled := b.profile != "" && m.name == cmp.Or(b.only, "cancel")
		if profiled {
			if answer := b.signet.ask("profile " + b.profile); answer != "<nil>" {
				return fmt.Errorf("profile: %s", answer)
			}
		}
		begin := time.Now()
		got, err := m.run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		if profiled {
			fmt.Println("profile:", b.signet.ask("profiled"))
		}
		fmt.Printf("%s: %s\n", m.name, time.Since(begin).Round(100*time.Millisecond))
		rows = append(rows, got...)
	}
	fmt.Printf(
		"\n%s, %d stored requests, medians of %d rounds of %s\n\n", database, b.stored, b.rounds,
		b.seconds,
	)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "measure\tgot\tgoal")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.what, r.got, r.goal)
	}
	return w.Flush()
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// cancel sets cancels against the references, on many connections and on one.
func (b *bench) cancel(ctx context.Context) ([]row, error) {
	var rate, bare, cpu, work, p99, p50 []float64
	for round := range b.rounds {
		// the others are for other measures
		share := (len(b.fresh) - b.exact - b.pages) / (2 * (b.rounds - round))
		one := func(p *server, path string, conns int) (*outcome, error) {
			var next func(int) []byte
			if p == b.signet {
				next = each(b.cancels(p, path, b.take(share)))
			} else {
				next = again(b.cancels(p, path, make([]string, 1000)))
			}
			o, err := drive(ctx, p, conns, b.seconds, next)
			if err == nil && o.codes["200"] != o.calls {
				err = fmt.Errorf("%s: answers %v", path, o.codes)
			}
			return o, err
		}
		for _, conns := range []int{b.conns, 1} {
			durable, err := one(b.reference, "/durable", conns)
			if err != nil {
				return nil, err
			}
			before := b.signet.cpu()
			cancel, err := one(b.signet, cancelPath, conns)
			if err != nil {
				return nil, err
			}
			b.signet.quiet() // the documents' deletion is work, too, but of another moment
			after := (b.signet.cpu() - before).Seconds() / float64(cancel.calls)
			if conns == 1 && b.conns != 1 {
				p50 = append(p50, cancel.at(0.5).Seconds()/durable.at(0.5).Seconds())
				fmt.Printf(
					"  round %d,   1 connection:  p50 %s, reference %s\n", round+1, cancel.at(0.5),
					durable.at(0.5),
				)
				continue
			}
			plain, err := one(b.reference, "/verify", conns)
			if err != nil {
				return nil, err
			}
			rate = append(rate, cancel.rate()/durable.rate())
			bare = append(bare, cancel.rate()/plain.rate())
			cpu = append(
				cpu,
				cancel.cpu.Seconds()/float64(
					cancel.calls,
				)/(plain.cpu.Seconds()/float64(plain.calls)),
			)
			work = append(work, after/(plain.cpu.Seconds()/float64(plain.calls)))
			p99 = append(p99, cancel.at(0.99).Seconds()/durable.at(0.99).Seconds())
			fmt.Printf(
				"  round %d, %3d connections: %.0f/s, durable reference %.0f/s, verify alone %.0f/s; CPU %s, verify alone %s; p99 %s, reference %s\n",
				round+1,
				conns,
				cancel.rate(),
				durable.rate(),
				plain.rate(),
				(cancel.cpu / time.Duration(cancel.calls)).Round(time.Microsecond),
				(plain.cpu / time.Duration(plain.calls)).Round(time.Microsecond),
				cancel.at(0.99).Round(time.Microsecond),
				durable.at(0.99).Round(time.Microsecond),
			)
		}
	}
	goal := ">= 0.75"
	if b.database != "" {
		goal = ">= 0.65"
	}
	rows := []row{
		{
			fmt.Sprintf("cancel / durable reference, %d connections", b.conns),
			fmt.Sprintf("%.2f", median(rate)),
			goal,
		},
		{
			fmt.Sprintf("cancel / HTTP + verify alone, %d connections", b.conns),
			fmt.Sprintf("%.2f", median(bare)),
			">= 0.6",
		},
		{"CPU per cancel / CPU per HTTP + verify", fmt.Sprintf("%.2f", median(cpu)), "<= 1.6"},
		{"  the same with the deletion that follows", fmt.Sprintf("%.2f", median(work)), ""},
		{
			fmt.Sprintf("cancel p99 / durable reference p99, %d connections", b.conns),
			fmt.Sprintf("%.2f", median(p99)),
			"<= 1.3",
		},
		{"JWKS fetches so far", fmt.Sprint(b.party.Fetches()), "1"},
	}
	if len(p50) > 0 {
		rows = append(rows, row{
			"cancel p50 / durable reference p50, 1 connection",
			fmt.Sprintf("%.2f", median(p50)), "<= 1.2",
		})
	}
	return rows, nil
}

func largeDocument(size int64) ([]byte, error) {
	var pdf bytes.Buffer
	err := pdftest.Large(&pdf, size, 3)
	return pdf.Bytes(), err
}

// initiate sets uploads of 1 MB against a server that receives, hashes, stores and flushes.
func (b *bench) initiate(ctx context.Context) ([]row, error) {
	pdf, err := largeDocument(1_000_000)
	if err != nil {
		return nil, err
	}
	const conns = 8
	// uploads stay in the page cache, and a virtual machine that needs more memory has to be given
	// it first
	seconds := b.seconds / 2
	var rate, cpu []float64
	for round := range b.rounds {
		plain, err := drive(ctx, b.reference, conns, seconds, func(int) []byte {
			return httpRequest(
				b.reference.addr, "POST", "/upload", b.party.Token(token.Cancel),
				"application/octet-stream", pdf,
			)
		})
		if err != nil {
			return nil, err
		}
		o, err := drive(ctx, b.signet, conns, seconds, func(int) []byte {
			return httpRequest(
				b.signet.addr, "POST", api.BasePath+api.PathRequest, b.party.Token(token.Initiate),
				"application/octet-stream", pdf,
			)
		})
		if err != nil {
			return nil, err
		}
		if o.codes["200"] != o.calls {
			return nil, fmt.Errorf("answers %v", o.codes)
		}
		rate = append(rate, o.rate()/plain.rate())
		cpu = append(
			cpu, o.cpu.Seconds()/float64(o.calls)/(plain.cpu.Seconds()/float64(plain.calls)),
		)
		fmt.Printf(
			"  round %d, 1 MB: %.0f/s, reference %.0f/s; CPU %s, reference %s\n", round+1, o.rate(),
			plain.rate(), (o.cpu / time.Duration(o.calls)).Round(time.Microsecond),
			(plain.cpu / time.Duration(plain.calls)).Round(time.Microsecond),
		)
	}
	return []row{
		{
			fmt.Sprintf(
				"initiate 1 MB / (receive + SHA-256 + file + fdatasync), %d connections, runs of %s",
				conns, seconds,
			),
			fmt.Sprintf("%.2f", median(rate)),
			">= 0.8",
		},
		{"  CPU per initiate / CPU per reference's upload", fmt.Sprintf("%.2f", median(cpu)), ""},
	}, nil
}

// exactly cancels each of many requests three times at once.
func (b *bench) exactly(ctx context.Context) ([]row, error) {
	ids := b.take(b.exact)
	total := map[string]int{}
	for len(ids) > 0 { // a token lives two minutes
		some := ids[:min(len(ids), 5000)]
		ids = ids[len(some):]
		o, err := drive(
			ctx, b.signet, 64, time.Minute,
			each(b.cancels(b.signet, cancelPath, slices.Concat(some, some, some))),
		)
		if err != nil {
			return nil, err
		}
		for k, n := range o.codes {
			total[k] += n
		}
		// The three of one request lie apart; now all at once.
		again := b.cancels(b.signet, cancelPath, some)
		if o, err = drive(ctx, b.signet, 64, time.Minute, each(again)); err != nil ||
			o.codes["200"] != 0 {
			return nil, fmt.Errorf("a fourth cancel: %v, %w", o.codes, err)
		}
	}
	won, second := total["200"], total["400 "+api.CodeAlreadyCancelled]
	return []row{{
		fmt.Sprintf(
			"%d requests cancelled three times each over 64 connections: 200 / already cancelled / other",
			b.exact,
		),
		fmt.Sprintf("%d / %d / %d", won, second, 3*b.exact-won-second),
		fmt.Sprintf("%d / %d / 0", b.exact, 2*b.exact),
	}}, nil
}

// events opens many pages and cancels their requests: how long after the answer does a page hear of
// it?
func (b *bench) events(ctx context.Context) ([]row, error) {
	ids := b.take(b.pages)
	heard := make([]chan time.Time, len(ids))
	client := &http.Client{Transport: &http.Transport{MaxIdleConns: 1}}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var opened sync.WaitGroup
	failed := make(chan error, len(ids))
	for i, id := range ids {
		heard[i] = make(chan time.Time, 1)
		opened.Add(1)
		go func() {
			resp, err := events(ctx, client, "http://"+b.signet.addr+"/sign/"+id+"/events")
			if err != nil {
				failed <- err
				opened.Done()
				return
			}
			defer resp.Body.Close()
			defer close(heard[i])
			lines := bufio.NewScanner(resp.Body)
			for first := true; lines.Scan(); first = false {
				if first {
					opened.Done()
				}
				if strings.Contains(lines.Text(), `"cancelled"`) {
					heard[i] <- time.Now()
					return
				}
			}
		}()
	}
	opened.Wait()
	select {
	case err := <-failed:
		return nil, err
	default:
	}
	var late []time.Duration
	for i, message := range b.cancels(b.signet, cancelPath, ids) {
		o, err := drive(ctx, b.signet, 1, time.Minute, each([][]byte{message}))
		if err != nil || o.codes["200"] != 1 {
			return nil, fmt.Errorf("cancel: %v, %w", o.codes, err)
		}
		answered := time.Now()
		select {
		case at, ok := <-heard[i]:
			if !ok {
				return nil, fmt.Errorf("a page was closed before it heard of the cancel")
			}
			late = append(late, max(0, at.Sub(answered)))
		case <-time.After(5 * time.Second):
			return nil, fmt.Errorf("a page has not heard of a cancel for 5 s")
		}
	}
	slices.Sort(late)
	p99 := late[min(len(late)-1, len(late)*99/100)]
	return []row{
		{
			fmt.Sprintf("cancel answered -> event on an open page, p99, %d pages", len(ids)),
			p99.Round(10 * time.Microsecond).String(),
			"<= 20ms",
		},
	}, nil
}

// held stops many uploads shortly before their end and looks at the memory.
func (b *bench) held(context.Context) ([]row, error) {
	const size = 10_000_000
	b.signet.quiet()
	before := b.signet.memory()
	body := bytes.Repeat([]byte("%PDF-1.7 held\n"), size/14)
	for range b.uploads {
		c, err := net.Dial("tcp", b.signet.addr)
		if err != nil {
			return nil, err
		}
		defer func() { _ = c.Close() }()
		head := httpRequest(
			b.signet.addr, "POST", api.BasePath+api.PathRequest, b.party.Token(token.Initiate),
			"application/octet-stream", nil,
		)
		head = bytes.Replace(
			head, []byte("Content-Length: 0"), fmt.Appendf(nil, "Content-Length: %d", size), 1,
		)
		if _, err := c.Write(head); err != nil {
			return nil, err
		}
		if _, err := io.Copy(c, bytes.NewReader(body)); err != nil {
			return nil, err
		}
	}
	b.signet.quiet()
	each := (b.signet.memory() - before) / int64(b.uploads)
	return []row{
		{"memory per held 10 MB upload", fmt.Sprintf("%d KB", each/1000), "<= 200 KB"},
	}, nil
}

// start stops the service and starts it again on its data.
func (b *bench) start(context.Context) ([]row, error) {
	var up []float64
	for range max(3, b.rounds) {
		if err := b.signet.stop(); err != nil {
			return nil, err
		}
		var err error
		if b.signet, err = startServer("signet", b.settings); err != nil {
			return nil, err
		}
		up = append(up, b.signet.up.Seconds()*1000)
	}
	return []row{
		{
			fmt.Sprintf("exec to first answer with %d stored", b.stored),
			fmt.Sprintf("%.0f ms", median(up)),
			"<= 200 ms",
		},
	}, nil
}

// events opens a stream of server-sent events.
func events(ctx context.Context, client *http.Client, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("events: %s", resp.Status)
	}
	return resp, nil
}
