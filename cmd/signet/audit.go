package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/maintenance"
	"github.com/signet-sign/signet/internal/obs"
)

// auditCmd is the commands for the audit log.
type auditCmd struct {
	Export auditExportCmd `cmd:"" help:"Write the whole audit log."`
	Verify auditVerifyCmd `cmd:"" help:"Check exported logs and evidence bundles, without a server."`
}

// auditExportCmd writes the log to a file or to the standard output.
type auditExportCmd struct {
	Output string `help:"File to write; default: the standard output." placeholder:"FILE"`

	configured
}

func (c *auditExportCmd) Run(env *environment) error {
	log := obs.NewLogger(env.errs, slog.LevelWarn, c.LogFormat)
	return writeNew(env.out, c.Output, func(w io.Writer) error {
		return maintenance.ExportAudit(env.ctx, c.Config, log, w)
	})
}

// auditVerifyCmd checks files. It ends with status 1 if one of them is not what the log has signed.
type auditVerifyCmd struct {
	Files      []string `arg:"" name:"file" help:"Exported logs, or evidence bundles (ZIP)."`
	Key        string   `                   help:"The log's key, as the first line of an export has it; default: that of each file." placeholder:"KEY"`
	Checkpoint []string `                   help:"Files with checkpoints of the log that were seen before."                          placeholder:"FILE,..."`
}

func (c *auditVerifyCmd) Run(env *environment) error {
	trust := audit.Trust{Key: c.Key}
	for _, name := range c.Checkpoint {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		trust.Checkpoints = append(trust.Checkpoints, string(text))
	}
	status := 0
	for _, name := range c.Files {
		report, err := verifyAudit(name, trust)
		if problem := (*audit.Problem)(nil); errors.As(err, &problem) {
			fmt.Fprintf(env.out, "%s: NOT VALID: %s\n", name, printable(problem.Error()))
			status = 1
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(
			env.out, "%s: VALID: %d events, of a log with %d\n", name, report.Events, report.Size,
		)
		if report.Erased > 0 {
			fmt.Fprintf(
				env.out, "  %d of them were erased, as later events of the log say\n",
				report.Erased,
			)
		}
		if c.Key == "" {
			fmt.Fprintf(
				env.out,
				"  by the key that the file names; compare it, or give it with --key:\n  %s\n",
				report.Key,
			)
		}
	}
	if status != 0 {
		return exitStatus(status)
	}
	return nil
}

// verifyAudit checks a file. The error is an *audit.Problem if the file is not what the log has
// signed.
func verifyAudit(name string, trust audit.Trust) (*audit.Report, error) {
	log, trail, err := openAuditFile(name)
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
	if trail == nil {
		return report, nil
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

// openAuditFile reads an exported log, or the log and the trail of an evidence bundle.
func openAuditFile(name string) (log, trail []byte, err error) {
	text, err := os.ReadFile(name)
	if err != nil || !strings.HasPrefix(string(text[:min(4, len(text))]), "PK\x03\x04") {
		return text, nil, err
	}
	bundle, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return nil, nil, err
	}
	if log, err = audit.ReadBundle(bundle, audit.EvidenceFile); err != nil {
		return nil, nil, err
	}
	trail, err = audit.ReadBundle(bundle, "events.json")
	return log, trail, err
}
