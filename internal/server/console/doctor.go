package console

import (
	"context"
	"net/http"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/server/ui"
)

// Finding is the result of one check of the service.
type Finding struct {
	Check  string
	Level  string // ok, warning or fault
	Text   string // may be ""
	Remedy string // "" if the level is ok
}

// Tag returns the class of the level's tag.
func (f Finding) Tag() string {
	switch f.Level {
	case "ok":
		return "good"
	case "fault":
		return "bad"
	}
	return "busy"
}

// Doctor is the page that checks the service.
type Doctor struct {
	May      bool      // the operator may run the checks
	Ran      bool      // the checks have run
	Findings []Finding // faults first
}

// Worst returns the worst level of the findings.
func (p Doctor) Worst() string {
	worst := "ok"
	for _, f := range p.Findings {
		if f.Level == "fault" || worst == "ok" {
			worst = f.Level
		}
	}
	return worst
}

func (p Doctor) Meta() ui.Meta { return consoleMeta("console_doctor", "console.doctor.title") }

// doctorPath is the last segment of the path of the page.
const doctorPath = "doctor"

// doctor shows the page, before and after the checks.
func (c *Console) doctor(run bool) http.HandlerFunc {
	return c.handle(func(w http.ResponseWriter, r *http.Request) error {
		if c.Doctor == nil {
			return api.ErrNoRecord
		}
		page := Doctor{May: operatorOf(r.Context()).role >= Operator, Ran: run}
		if run {
			ctx, cancel := context.WithTimeout(r.Context(), doctorTimeout)
			defer cancel()
			page.Findings = c.Doctor(ctx)
		}
		return c.show(w, r, page)
	})
}
