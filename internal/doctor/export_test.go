package doctor

import "context"

// What tests of this package use.
const (
	AtStart     = atStart
	AtDoctor    = atDoctor
	ProbeHeader = probeHeader
)

var (
	CheckTLS  = checkTLS
	ProbeMark = probeMark
)

// ExamineAt makes the checks of an occasion of a service that does not run in this process.
func (s *Service) ExamineAt(ctx context.Context, at occasions) []Finding { return s.examine(ctx, at) }

// KeyFinding is what an error of a file in a folder of keys comes to.
func (s *Service) KeyFinding(folder, file string, err error) Finding {
	return s.keyFinding(folder, file, err)
}
