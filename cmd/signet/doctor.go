package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/signet-sign/signet/internal/doctor"
)

// doctorCmd checks a service and everything that it depends on.
type doctorCmd struct {
	configured
	output
}

func (c *doctorCmd) Run(env *environment) error {
	c.File = string(c.ConfigFile)
	findings := doctor.Diagnose(env.ctx, c.Config)
	if !c.JSON {
		return printFindings(env.out, findings)
	}
	return errors.Join(c.print(env.out, findings, ""), faults(findings))
}

// printFindings prints a table of the findings, with the remedies below them. The error tells the
// number of faults.
func printFindings(out io.Writer, findings []doctor.Finding) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		line := string(f.Level) + "\t" + f.Check
		if f.Text != "" {
			line += "\t" + printable(strings.ReplaceAll(f.Text, "\n", "; "))
		}
		fmt.Fprintln(table, line)
		if f.Remedy != "" {
			fmt.Fprintf(table, "\t\tremedy: %s\n", printable(f.Remedy))
		}
	}
	return errors.Join(table.Flush(), faults(findings))
}

// faults returns an error if there is a fault.
func faults(findings []doctor.Finding) error {
	n := 0
	for _, f := range findings {
		if f.Level == doctor.Fault {
			n++
		}
	}
	switch n {
	case 0:
		return nil
	case 1:
		return errors.New("1 fault")
	}
	return fmt.Errorf("%d faults", n)
}
