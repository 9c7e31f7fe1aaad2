// Package dnstest is a name server on a loopback port for tests. Start at [Start].
package dnstest

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// Server is a name server that knows no name until it is told one.
type Server struct {
	conn net.PacketConn

	mu    sync.Mutex
	names map[string]*name
}

type name struct {
	turns   [][]netip.Addr // of answers; none: 127.0.0.1
	silent  bool
	asked   chan struct{} // closed by the first question while it is silent
	waiting []question    // while it is silent
}

type question struct {
	dnsmessage.Message

	from net.Addr
}

// Start starts a server, which stops at the end of the test.
func Start(t testing.TB) *Server {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{conn: conn, names: map[string]*name{}}
	t.Cleanup(func() { _ = conn.Close() })
	go s.serve()
	return s
}

// Resolver asks the server and no other one.
func (s *Server) Resolver() *net.Resolver {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", s.conn.LocalAddr().String())
	}
	return &net.Resolver{PreferGo: true, Dial: dial}
}

// Answer lets the name of a host be that of 127.0.0.1, also for those who wait for an answer.
func (s *Server) Answer(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.names[host]
	s.names[host] = &name{}
	if before == nil {
		return
	}
	for _, q := range before.waiting {
		s.answer(q, s.names[host])
	}
}

// Rebind lets the addresses of a host be another turn's at each lookup; the last turn stays.
func (s *Server) Rebind(host string, turns ...[]netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[host] = &name{turns: turns}
}

// Silence leaves questions for a host without an answer. The channel is closed when there is one.
func (s *Server) Silence(host string) (asked <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &name{silent: true, asked: make(chan struct{})}
	s.names[host] = n
	return n.asked
}

// Forget lets the name of a host be unknown.
func (s *Server) Forget(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.names, host)
}

// Stop stops the server: questions are refused with an ICMP message.
func (s *Server) Stop() { _ = s.conn.Close() }

func (s *Server) serve() {
	packet := make([]byte, 512)
	for {
		n, from, err := s.conn.ReadFrom(packet)
		if err != nil {
			return
		}
		q := question{from: from}
		if q.Unpack(packet[:n]) != nil || len(q.Questions) != 1 {
			continue
		}
		s.mu.Lock()
		asked := s.names[q.Questions[0].Name.String()[:q.Questions[0].Name.Length-1]]
		switch {
		case asked == nil || !asked.silent:
			s.answer(q, asked)
		default:
			if len(asked.waiting) == 0 {
				close(asked.asked)
			}
			asked.waiting = append(asked.waiting, q)
		}
		s.mu.Unlock()
	}
}

// answer answers a question; a name that is nil is unknown.
func (s *Server) answer(q question, n *name) {
	one := q.Questions[0]
	a := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: q.ID, Response: true, Authoritative: true, RecursionDesired: q.RecursionDesired,
			RecursionAvailable: true,
		},
		Questions: q.Questions,
	}
	switch {
	case n == nil:
		a.RCode = dnsmessage.RCodeNameError
	case one.Type == dnsmessage.TypeA:
		addrs := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
		if len(n.turns) > 0 {
			addrs = n.turns[0]
		}
		if len(n.turns) > 1 {
			n.turns = n.turns[1:]
		}
		for _, addr := range addrs {
			a.Answers = append(a.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: one.Name, Type: one.Type, Class: one.Class},
				Body:   &dnsmessage.AResource{A: addr.As4()},
			})
		}
	}
	packet, err := a.Pack()
	if err == nil {
		_, _ = s.conn.WriteTo(packet, q.from) // as a network, it may lose the answer
	}
}
