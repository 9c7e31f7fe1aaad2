package fault

import "time"

// Session injects a fault into a sign session that starts. It returns how long the session lasts at
// least.
func (s *Set) Session(clientID, requestID, sessionID string) (least time.Duration) {
	t := Target{Call: "session", ClientID: clientID, RequestID: requestID}
	rule, ok := s.take(t, SessionHangs)
	if !ok {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.silent == nil {
		s.silent = map[string]bool{}
	}
	s.silent[sessionID] = true
	s.save()
	return time.Duration(rule.Delay)
}

// Silent reports whether phones do not answer in a session.
func (s *Set) Silent(sessionID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.silent[sessionID]
}
