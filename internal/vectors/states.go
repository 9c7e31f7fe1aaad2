package vectors

import (
	"fmt"
	"slices"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
)

// stateFile is states.json.
type stateFile struct {
	About string        `json:"about"`
	Walks []stateVector `json:"walks"`
}

// stateVector is a walk through the table: the actions that lead a new request into a state, and
// one more action with its outcome.
type stateVector struct {
	Path   []request.Action `json:"path"`  // from created, each of which succeeds
	State  request.State    `json:"state"` // at its end
	Action request.Action   `json:"action"`
	To     request.State    `json:"to,omitempty"`    // the state after a success
	Error  *api.Error       `json:"error,omitempty"` // the refusal
}

func makeStates() (any, error) {
	f := &stateFile{
		About: "The shortest walk into each state of a sign request, and what each action does there. " +
			"Actions without an outcome cannot happen in the state and are left out.",
	}
	cells := request.Cells()
	paths := map[request.State][]request.Action{request.StateCreated: {}}
	for queue := []request.State{request.StateCreated}; len(queue) > 0; queue = queue[1:] {
		for _, c := range cells {
			if _, known := paths[c.To]; c.State != queue[0] || c.To == "" || known {
				continue
			}
			paths[c.To] = append(slices.Clone(paths[c.State]), c.Action)
			queue = append(queue, c.To)
		}
	}
	for _, c := range cells {
		path, reached := paths[c.State]
		if !reached {
			return nil, fmt.Errorf("no walk leads into the state %s", c.State)
		}
		if c.To == "" && c.Refusal == nil {
			continue
		}
		f.Walks = append(f.Walks, stateVector{path, c.State, c.Action, c.To, c.Refusal})
	}
	return f, nil
}

// judge takes the walk by the table.
func (v stateVector) judge() error {
	table := map[request.State]map[request.Action]request.Cell{}
	for _, c := range request.Cells() {
		if table[c.State] == nil {
			table[c.State] = map[request.Action]request.Cell{}
		}
		table[c.State][c.Action] = c
	}
	state := request.States()[0] // in which a request begins
	for _, a := range v.Path {
		c := table[state][a]
		if c.To == "" {
			return fmt.Errorf("%s leads from %s nowhere", a, state)
		}
		state = c.To
	}
	c, ok := table[state][v.Action]
	switch {
	case state != v.State:
		return fmt.Errorf("the path leads to %s, not %s", state, v.State)
	case !ok:
		return fmt.Errorf("there is no action %q", v.Action)
	case c.To != v.To, (c.Refusal == nil) != (v.Error == nil),
		v.Error != nil && *v.Error != *c.Refusal:
		return fmt.Errorf("%s in %s: the table has %q %v", v.Action, v.State, c.To, c.Refusal)
	}
	return nil
}
