// Command load measures the service against reference servers on the same machine, in the same
// minutes, and prints ratios.
//
//	go run ./internal/e2e/load
//	go run ./internal/e2e/load -database postgres://... -seconds 5 -rounds 5
//	go run ./internal/e2e/load -documents s3://bucket/prefix?endpoint=http://127.0.0.1:9000
//	go run ./internal/e2e/load -exact 20000 -stored 1000000
//	go run ./internal/e2e/load -month 100000,1000000 -database postgres://...
//	go run ./internal/e2e/load -nodes 3 -database postgres://... -documents s3://...
//
// Absolute numbers of a shared machine mean little, so each is set against a server that does the
// least that any such service must do: answer HTTP, verify the ES256 token, and for a change append
// 256 bytes to a file and flush it, many callers' with one flush. Runs of both alternate; what is
// printed is the median of the rounds. Servers are processes of their own, so that their processor
// time can be told from the callers'. Everything stays on loopback and in a temporary folder, and
// ends by itself.
//
// With -nodes several nodes share the database and the bucket instead, and what is printed is what
// each call costs the database: statements, round trips and bytes of its write-ahead log, with the
// jobs that follow and without what idle nodes use.
//
// With -month nodes on databases with different numbers of requests are compared, call by call.
//
// Start reading at [bench.all], [measureNodes] or [measureMonth]. servers.go are the processes
// under test, client.go the callers, measures.go the single measures.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

// options are the command line's.
type options struct {
	database string
	bucket   string
	seconds  time.Duration
	rounds   int
	conns    int
	stored   int
	exact    int
	pages    int
	uploads  int
	only     string
	profile  string
	plain    bool
	dir      string
	nodes    int
	month    string
}

func main() {
	if kind := os.Getenv(serveKind); kind != "" {
		if err := serve(kind); err != nil {
			fmt.Fprintln(os.Stderr, "load: serving", kind+":", err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.StringVar(
		&o.database, "database", "", "URL of an empty PostgreSQL database; default: SQLite",
	)
	flag.StringVar(
		&o.bucket, "documents", "",
		"location of an empty bucket, with credentials in the environment; default: a folder",
	)
	flag.DurationVar(&o.seconds, "seconds", 2*time.Second, "length of one run")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds; medians are printed")
	flag.IntVar(&o.conns, "connections", 32, "connections of the loaded runs")
	flag.IntVar(
		&o.stored, "stored", 20_000,
		"requests that are stored beside those that are used, for all measures",
	)
	flag.IntVar(
		&o.exact,
		"exact",
		2_000,
		"requests that are cancelled three times each over 64 connections; 20000 for the full check",
	)
	flag.IntVar(&o.pages, "pages", 1_000, "open pages that wait for an event")
	flag.IntVar(&o.uploads, "uploads", 40, "uploads of nearly 10 MB that are held at once")
	flag.StringVar(
		&o.only, "only", "", "one measure: cancel, initiate, exact, events, crowd, uploads or start",
	)
	flag.StringVar(
		&o.profile, "pprof", "",
		"file for a CPU profile of the service during the measure of -only, or the cancel runs",
	)
	flag.StringVar(
		&o.dir, "dir", "",
		"folder for the data; default: a temporary one, on the disk that is measured",
	)
	flag.IntVar(
		&o.nodes, "nodes", 0,
		"measure what calls cost the database with so many nodes, which need -database",
	)
	flag.StringVar(
		&o.month,
		"month",
		"",
		"compare databases with so many requests, such as 100000,1000000, which are made beside -database",
	)
	flag.BoolVar(&o.plain, "plain", false, "store documents without encryption, to compare")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	parent := o.dir
	dir, err := os.MkdirTemp(parent, "signet-load-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.nodes > 0 {
		return measureNodes(ctx, o, dir)
	}
	if o.month != "" {
		return measureMonth(ctx, o, dir)
	}
	b, err := newBench(ctx, o, dir)
	if err != nil {
		return err
	}
	defer b.close()
	return b.all(ctx)
}
