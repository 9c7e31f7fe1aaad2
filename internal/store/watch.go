package store

import "sync"

// hub tells those who watch a request in this process. A watcher that is slow to look gets one signal for many changes.
type hub struct {
	mu       sync.Mutex
	watchers map[string]map[chan struct{}]struct{} // by request
	jobs     chan struct{}
}

func newHub() *hub {
	return &hub{watchers: map[string]map[chan struct{}]struct{}{}, jobs: make(chan struct{}, 1)}
}

// Watch implements request.Watcher.
func (s *Store) Watch(id string) (changed <-chan struct{}, stop func()) { return s.hub.watch(id) }

// Ready implements request.Outbox. There is one channel for all: each signal wakes one of those who wait.
func (s *Store) Ready() <-chan struct{} { return s.hub.jobs }

func (h *hub) watch(id string) (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers[id] == nil {
		h.watchers[id] = map[chan struct{}]struct{}{}
	}
	h.watchers[id][c] = struct{}{}
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.watchers[id], c)
		if len(h.watchers[id]) == 0 {
			delete(h.watchers, id)
		}
	}
}

func (h *hub) tell(n news) {
	if n.jobs {
		nudge(h.jobs)
	}
	if len(n.requests) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range n.requests {
		for c := range h.watchers[id] {
			nudge(c)
		}
	}
}

// tellAll signals everybody: something may have happened to anything.
func (h *hub) tellAll() {
	nudge(h.jobs)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, watchers := range h.watchers {
		for c := range watchers {
			nudge(c)
		}
	}
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // a signal is waiting already
	}
}
