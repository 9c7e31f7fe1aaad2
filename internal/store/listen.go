package store

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// maxPayload bounds a notification in bytes; the server allows less than 8,000. A notification is
// the name of the node that sends it, "jobs" or "-", and the changed requests, separated by spaces.
const maxPayload = 7900

func (d *pgDatabase) payloads(n notification) (all []string) {
	if len(n.requests) == 0 && !n.jobs {
		return nil
	}
	jobs := "-"
	if n.jobs {
		jobs = "jobs"
	}
	head := d.node + " " + jobs
	var b strings.Builder
	b.WriteString(head)
	for _, id := range n.requests {
		if b.Len()+1+len(id) > maxPayload {
			all = append(all, b.String())
			b.Reset()
			b.WriteString(head)
		}
		b.WriteByte(' ')
		b.WriteString(id)
	}
	return append(all, b.String())
}

// listener receives the changes of other nodes.
type listener struct {
	stop    context.CancelFunc
	stopped chan struct{}
}

// listen starts to listen, and returns after it has. When the connection breaks it connects again.
func listen(
	ctx context.Context, config *pgx.ConnConfig, node string, h *hub, log *slog.Logger,
) (*listener, error) {
	conn, err := startListening(ctx, config)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	l := &listener{stop: stop, stopped: make(chan struct{})}
	go func() {
		defer close(l.stopped)
		for {
			err := hear(running, conn, node, h)
			closing, cancel := context.WithTimeout(context.WithoutCancel(running), time.Second)
			_ = conn.Close(closing) // it is broken, or the store closes
			cancel()
			if running.Err() != nil {
				return
			}
			log.Warn("the connection that tells of changes on other nodes broke", "err", err)
			if conn = again(running, config); conn == nil {
				return
			}
			h.tellAll() // changes may have been missed
			log.Info("listening to other nodes again")
		}
	}()
	return l, nil
}

func (l *listener) close() error {
	l.stop()
	<-l.stopped
	return nil
}

// listenSignet is the last statement on one connection of each node.
const listenSignet = `LISTEN signet`

func startListening(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, listenSignet); err != nil {
		_ = conn.Close(ctx)
		return nil, err
	}
	return conn, nil
}

// again connects until it succeeds. It returns nil after ctx ends.
func again(ctx context.Context, config *pgx.ConnConfig) *pgx.Conn {
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		if conn, err := startListening(ctx, config); err == nil {
			return conn
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// hear signals the changes of other nodes until the connection breaks. The writer has already
// signalled this node's changes.
func hear(ctx context.Context, conn *pgx.Conn, node string, h *hub) error {
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		words := strings.Split(n.Payload, " ")
		if len(words) < 2 || words[0] == node {
			continue
		}
		h.tell(notification{jobs: words[1] == "jobs", requests: words[2:]})
	}
}
