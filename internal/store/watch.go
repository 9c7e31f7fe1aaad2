package store

import "sync"

// notification is what watchers and other nodes learn of a committed change.
type notification struct {
	requests []string // changed requests
	jobs     bool     // a job may have been added
}

// hub signals watchers of requests in this process. A slow watcher gets one signal for many
// changes.
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

// Signal implements request.Watcher.
func (s *Store) Signal(id string) { s.hub.tell(notification{requests: []string{id}}) }

// Ready implements request.Outbox. All callers share one channel; each signal wakes one of them.
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

// tell signals a committed change.
func (h *hub) tell(n notification) {
	if n.jobs {
		signal(h.jobs)
	}
	if len(n.requests) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range n.requests {
		for c := range h.watchers[id] {
			signal(c)
		}
	}
}

// tellAll signals all watchers, because any request may have changed.
func (h *hub) tellAll() {
	signal(h.jobs)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, watchers := range h.watchers {
		for c := range watchers {
			signal(c)
		}
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // a signal is already waiting
	}
}
