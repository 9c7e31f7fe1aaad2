package request

import "sync"

// SealPhase is a step of Seal.
type SealPhase string

// The steps of Seal, in their order. Level B-T has no PhaseProve.
const (
	PhaseStamp SealPhase = "stamp" // the timestamp of the signature
	PhaseProve SealPhase = "prove" // revocation data and the timestamp of the document
	PhaseCheck SealPhase = "check" // the finished document is stored and verified
)

// SealPhases returns the steps of Seal.
func SealPhases() []SealPhase { return []SealPhase{PhaseStamp, PhaseProve, PhaseCheck} }

// phases are the steps of the documents that this process seals now, by request. The page that
// waits shows them. The store does not have them, and other processes do not know them.
type phases struct {
	mu  sync.Mutex
	now map[string]SealPhase
}

// SealPhase returns what this process does with an approved document now, or "".
func (s *Service) SealPhase(id string) SealPhase {
	s.phases.mu.Lock()
	defer s.phases.mu.Unlock()
	return s.phases.now[id]
}

// enter records the step of a document, and tells those that watch the request; "" ends it.
func (s *Service) enter(id string, phase SealPhase) {
	s.phases.mu.Lock()
	if phase == "" {
		delete(s.phases.now, id)
	} else {
		s.phases.now[id] = phase
	}
	s.phases.mu.Unlock()
	if phase != "" { // the end is a change of the request
		s.Watcher.Signal(id)
	}
}
