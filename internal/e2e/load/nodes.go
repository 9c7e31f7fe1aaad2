package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// How many calls of each kind the nodes get.
const (
	nodeCancels   = 6000
	nodeInitiates = 600
	nodeSigns     = 60
	idleFor       = 5 * time.Second
)

// fleet is several nodes on one PostgreSQL database.
type fleet struct {
	options
	party  *partytest.Party
	nodes  []*server
	public string // host and port by which all nodes go
	meter  *meter
	idle   reading // of one second without calls
	issuer *issuer
}

// measureNodes measures what calls cost the database, and how long they take.
func measureNodes(ctx context.Context, o options, dir string) (err error) {
	if o.database == "" {
		return errors.New("-nodes needs -database")
	}
	f := &fleet{options: o}
	if f.party, err = partytest.New(); err != nil {
		return err
	}
	defer f.party.Close()
	if f.meter, err = newMeter(o.database); err != nil {
		return err
	}
	defer f.meter.close()
	s := settings{
		Dir: dir, Database: o.database, Documents: o.bucket, Party: registered(f.party),
	}
	begin := time.Now()
	ids, err := storeRequests(ctx, s, nodeCancels+o.stored)
	if err != nil {
		return err
	}
	fmt.Printf("%d requests stored in %s\n", len(ids), time.Since(begin).Round(time.Second))
	if err := f.start(s); err != nil {
		return errors.Join(err, f.stop())
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	time.Sleep(3 * time.Second) // what follows a start
	before, err := f.meter.read(ctx)
	if err != nil {
		return err
	}
	time.Sleep(idleFor)
	after, err := f.meter.read(ctx)
	if err != nil {
		return err
	}
	f.idle = after.minus(before).over(idleFor.Seconds())
	var rows []nodesRow
	for _, m := range []struct {
		name string
		run  func(context.Context) (*outcome, error)
	}{
		{"cancel", func(ctx context.Context) (*outcome, error) {
			return f.drive(ctx, f.cancels(ids[:nodeCancels]))
		}},
		{"initiate, 100 KB", f.initiate},
		{"sign", f.sign},
	} {
		r, err := f.measure(ctx, m.name, m.run)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		rows = append(rows, r)
	}
	return f.print(rows)
}

// nodesRow is what one kind of call gave.
type nodesRow struct {
	name string
	*outcome
	each reading // of one call
}

func (r reading) minus(o reading) reading {
	return reading{r.statements - o.statements, r.trips - o.trips, r.wal - o.wal}
}

func (r reading) over(n float64) reading {
	return reading{r.statements / n, r.trips / n, r.wal / n}
}

// measure makes calls. Of what the meter has then, it takes off what idle nodes use in the same
// time.
func (f *fleet) measure(
	ctx context.Context, name string, run func(context.Context) (*outcome, error),
) (r nodesRow, err error) {
	before, err := f.meter.read(ctx)
	if err != nil {
		return r, err
	}
	begin := time.Now()
	o, err := run(ctx)
	if err != nil {
		return r, err
	}
	for _, n := range f.nodes {
		n.quiet() // jobs that follow are part of the cost
	}
	took := time.Since(begin).Seconds()
	after, err := f.meter.read(ctx)
	if err != nil {
		return r, err
	}
	used := after.minus(before).minus(f.idle.over(1 / took))
	return nodesRow{name, o, used.over(float64(o.calls))}, nil
}

// start starts the nodes, the first one alone, because it makes the keys.
func (f *fleet) start(s settings) (err error) {
	s.Database = f.meter.url
	if s.Listen, err = freeAddress(); err != nil {
		return err
	}
	f.public = s.Listen
	if f.issuer, err = newIssuer("http://" + f.public); err != nil {
		return err
	}
	s.PublicURL, s.Issuer = "http://"+f.public, f.issuer.url
	for range f.options.nodes {
		n, err := startServer("signet", s)
		if err != nil {
			return err
		}
		f.nodes = append(f.nodes, n)
		s.Listen = "" // the others listen elsewhere
	}
	return nil
}

func (f *fleet) stop() (err error) {
	for _, n := range f.nodes {
		err = errors.Join(err, n.stop())
	}
	if f.issuer != nil {
		f.issuer.close()
	}
	return err
}

// drive sends messages to all nodes at once.
func (f *fleet) drive(ctx context.Context, messages [][]byte) (*outcome, error) {
	all := &outcome{codes: map[string]int{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	begin := time.Now()
	share := (len(messages) + len(f.nodes) - 1) / len(f.nodes)
	i := 0
	for part := range slices.Chunk(messages, share) {
		node := f.nodes[i]
		i++
		wg.Go(func() {
			o, err := drive(ctx, node, max(1, f.conns/len(f.nodes)), 5*time.Minute, each(part))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = errors.Join(failed, err)
				return
			}
			all.calls += o.calls
			all.cpu += o.cpu
			all.latency = append(all.latency, o.latency...)
			for code, n := range o.codes {
				all.codes[code] += n
			}
		})
	}
	wg.Wait()
	all.took = time.Since(begin)
	slices.Sort(all.latency)
	if failed == nil && all.codes["200"] != all.calls {
		failed = fmt.Errorf("answers %v", all.codes)
	}
	return all, failed
}

func (f *fleet) cancels(ids []string) (messages [][]byte) {
	for _, id := range ids {
		jws := f.party.Token(token.Cancel, partytest.Claim("request_id", id))
		messages = append(
			messages, httpRequest(f.public, "POST", cancelPath, jws, "application/json", nil),
		)
	}
	return messages
}

func (f *fleet) initiate(ctx context.Context) (*outcome, error) {
	document, err := largeDocument(100_000)
	if err != nil {
		return nil, err
	}
	var messages [][]byte
	for range nodeInitiates {
		messages = append(messages, httpRequest(
			f.public, "POST", api.BasePath+api.PathRequest, f.party.Token(token.Initiate),
			"application/octet-stream", document,
		))
	}
	return f.drive(ctx, messages)
}

// sign makes whole flows, from the initiate to the signed document. A call is a flow, and its
// latency is that of the approval.
func (f *fleet) sign(context.Context) (*outcome, error) {
	o := &outcome{codes: map[string]int{}}
	lanes := make([]*signing, len(f.nodes))
	for i, n := range f.nodes {
		var err error
		if lanes[i], err = newSigning(f, n); err != nil {
			return nil, err
		}
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	begin := time.Now()
	for i, lane := range lanes {
		wg.Go(func() {
			for n := i; n < nodeSigns; n += len(lanes) {
				took, err := lane.flow(pdftest.Minimal())
				mu.Lock()
				failed = errors.Join(failed, err)
				o.calls++
				o.latency = append(o.latency, took)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	o.took = time.Since(begin)
	slices.Sort(o.latency)
	return o, failed
}

func (f *fleet) print(rows []nodesRow) error {
	documents := "a folder"
	if f.bucket != "" {
		documents = "a bucket"
	}
	fmt.Printf(
		"\n%d nodes, PostgreSQL, documents in %s, %d stored requests, %d connections\n",
		len(f.nodes), documents, f.stored, f.conns,
	)
	fmt.Printf(
		"idle: %.1f statements, %.1f round trips and %.0f bytes of WAL a second\n\n",
		f.idle.statements, f.idle.trips, f.idle.wal,
	)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "call\tcalls\ta second\tp50\tp99\tstatements\tround trips\tWAL bytes")
	for _, r := range rows {
		fmt.Fprintf(
			w, "%s\t%d\t%.0f\t%s\t%s\t%.1f\t%.1f\t%.0f\n", r.name, r.calls, r.rate(),
			r.at(0.5).Round(10*time.Microsecond), r.at(0.99).Round(10*time.Microsecond),
			r.each.statements, r.each.trips, r.each.wal,
		)
	}
	return w.Flush()
}
