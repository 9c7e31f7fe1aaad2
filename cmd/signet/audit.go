package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/maintenance"
)

// auditCmd is the commands for the audit log.
type auditCmd struct {
	Export auditExportCmd `cmd:"" help:"Write the whole audit log."`
	Verify auditVerifyCmd `cmd:"" help:"Check exported logs and evidence bundles, without a server."`
}

// auditExportCmd writes the log to a file or to the standard output.
type auditExportCmd struct {
	Output newFile `help:"File to write; default: the standard output." placeholder:"FILE"`

	deployed
}

func (c *auditExportCmd) Run(env *environment) error {
	if c.JSON && c.Output == "" {
		return usageError{errors.New("the log is not JSON: --json needs --output with a file for it")}
	}
	log := c.log(env, slog.LevelWarn)
	err := writeNew(env.out, c.Output, func(w io.Writer) error {
		return maintenance.ExportAudit(env.ctx, c.Config, log, w)
	})
	if err != nil {
		return err
	}
	return c.print(env.out, map[string]newFile{"file": c.Output}, "")
}

// auditVerifyCmd checks files. It ends with status 1 if one of them is not what the log has signed.
type auditVerifyCmd struct {
	output
	Files      []oldFile `arg:"" name:"file" help:"Exported logs, or evidence bundles (ZIP)."`
	Key        string    `                   help:"The log's key, as the first line of an export has it; default: that of each file." placeholder:"KEY"`
	Checkpoint []oldFile `                   help:"Files with checkpoints of the log that were seen before."                          placeholder:"FILE,..."`
}

func (c *auditVerifyCmd) Run(env *environment) error {
	trust := audit.Trust{Key: c.Key}
	for _, name := range c.Checkpoint {
		text, err := os.ReadFile(string(name))
		if err != nil {
			return err
		}
		trust.Checkpoints = append(trust.Checkpoints, string(text))
	}
	results := []auditVerdict{}
	valid := true
	for _, name := range c.Files {
		v, err := verdictOnAudit(string(name), trust)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		results = append(results, v)
		valid = valid && v.Valid
		if !c.JSON {
			fmt.Fprintln(env.out, v.text(c.Key == ""))
		}
	}
	if err := c.print(env.out, results, ""); err != nil {
		return err
	}
	if !valid {
		return exitStatus(1)
	}
	return nil
}

// auditVerdict is what was found of a file, as JSON.
type auditVerdict struct {
	File    string `json:"file"`
	Valid   bool   `json:"valid"`
	Problem string `json:"problem,omitempty"`
	Events  int    `json:"events"` // that the file has
	Size    int64  `json:"size"`   // of the log
	Erased  int    `json:"erased"`
	Key     string `json:"key,omitempty"` // that has signed the log
}

func verdictOnAudit(name string, trust audit.Trust) (auditVerdict, error) {
	report, err := verifyAudit(name, trust)
	if problem, ok := errors.AsType[*audit.Problem](err); ok {
		return auditVerdict{File: name, Problem: problem.Error()}, nil
	}
	if err != nil {
		return auditVerdict{}, err
	}
	return auditVerdict{
		name, true, "", report.Events, report.Size, report.Erased, report.Key,
	}, nil
}

// text returns the lines for a file, which may be a stranger's, with the log's key if it is not the
// caller's.
func (v auditVerdict) text(withKey bool) string {
	file := printable(v.File)
	if !v.Valid {
		return fmt.Sprintf("%s: NOT VALID: %s", file, printable(v.Problem))
	}
	text := fmt.Sprintf("%s: VALID: %d events, of a log with %d", file, v.Events, v.Size)
	if v.Erased > 0 {
		text += fmt.Sprintf(
			"\n  %d of them were erased, as later events of the log say", v.Erased,
		)
	}
	if withKey {
		text += "\n  by the key that the file names; compare it, or give it with --key:\n  " + printable(v.Key)
	}
	return text
}

// verifyAudit checks a file. The error is an *audit.Problem if the file is not what the log has
// signed.
func verifyAudit(name string, trust audit.Trust) (*audit.Report, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	head := make([]byte, len(zipHead))
	_, _ = file.ReadAt(head, 0) // a pipe cannot be read at a place, and is no bundle
	if string(head) != zipHead {
		report, err := audit.Verify(file, trust) // a log can be larger than the memory
		if err == nil && report.Problem != nil {
			err = report.Problem
		}
		return report, err
	}
	log, trail, err := readBundle(file)
	if err != nil {
		return nil, err
	}
	report, err := audit.Verify(bytes.NewReader(log), trust)
	if err != nil {
		return nil, err
	}
	if report.Problem != nil {
		return nil, report.Problem
	}
	problem, err := audit.SameEvents(bytes.NewReader(log), trail)
	if err != nil {
		return nil, err
	}
	if problem != nil {
		problem.Text = "of events.json: " + problem.Text
		return nil, problem
	}
	return report, nil
}

// zipHead is what a ZIP begins with.
const zipHead = "PK\x03\x04"

// readBundle reads the log and the trail of an evidence bundle.
func readBundle(file *os.File) (log, trail []byte, err error) {
	info, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	bundle, err := zip.NewReader(file, info.Size())
	if err != nil {
		return nil, nil, err
	}
	if log, err = audit.ReadBundle(bundle, audit.EvidenceFile); err != nil {
		return nil, nil, err
	}
	trail, err = audit.ReadBundle(bundle, "events.json")
	return log, trail, err
}
