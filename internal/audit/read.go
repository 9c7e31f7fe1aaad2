package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Read verifies a file of [Log.Export] as [Verify] does, and then calls each for every event whose
// text is in it, in the order of the log. It calls each for none if the report has a Problem. It
// stops at an error of each, and returns it.
func Read(file io.ReadSeeker, trust Trust, each func(Entry) error) (*Report, error) {
	report, err := Verify(file, trust)
	if err != nil || report.Problem != nil {
		return report, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("reading the log: %w", err)
	}
	lines := bufio.NewReader(file)
	for n := 1; ; n++ {
		text, err := readLine(lines, n)
		if errors.Is(err, io.EOF) && len(bytes.TrimSpace(text)) == 0 {
			return report, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("reading the log: %w", err)
		}
		var l line
		var e event
		if err := json.Unmarshal(text, &l); err != nil {
			return nil, fmt.Errorf("reading the log: %w", err)
		}
		if len(l.Event) == 0 {
			continue
		}
		if err := json.Unmarshal(l.Event, &e); err != nil {
			return nil, fmt.Errorf("reading an event of the log: %w", err)
		}
		err = each(Entry{
			Index: *l.Index, RequestID: e.RequestID, Seq: e.Seq, At: e.At, Kind: e.Kind,
			Detail: string(e.Detail),
		})
		if err != nil {
			return nil, err
		}
	}
}
