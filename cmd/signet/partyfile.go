package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/server/console"
)

// partyFile is the file of signet party export and import, in YAML or JSON.
type partyFile struct {
	Parties []console.PartyData `json:"parties" yaml:"parties"`
}

func yamlText(v any) (string, error) {
	text, err := yaml.Marshal(v)
	return string(text), err
}

// partyExportCmd leaves out the parties of the configuration, which are in a file already.
type partyExportCmd struct{ operatorCaller }

func (c *partyExportCmd) Run(env *environment) error {
	var list console.PartyList
	if err := c.call(env.ctx, http.MethodGet, "", nil, &list); err != nil {
		return err
	}
	file := partyFile{Parties: []console.PartyData{}}
	for _, p := range list.Parties {
		if !p.Configured {
			file.Parties = append(file.Parties, p.PartyData)
		}
	}
	text, err := yamlText(file)
	if err != nil {
		return err
	}
	return c.print(env.out, file, strings.TrimSuffix(text, "\n"))
}

type partyImportCmd struct {
	operatorCaller
	partySave

	File          string `arg:"" help:"File as signet party export prints it."           type:"existingfile"`
	DryRun        bool   `       help:"Print what would be changed, and change nothing."`
	DisableOthers bool   `       help:"Disable the parties that the file does not name."`
}

// Help says what an import does.
func (*partyImportCmd) Help() string {
	return `Parties that the file names are registered, or changed to what it says. A URL that ends in ?… keeps the
query that the service has. Parties that it does not name stay as they are, unless --disable-others is set.
A second import of the same file changes nothing.`
}

func (c *partyImportCmd) Run(env *environment) error {
	file, err := readPartyFile(c.File)
	if err != nil {
		return err
	}
	var list console.PartyList
	if err := c.call(env.ctx, http.MethodGet, "", nil, &list); err != nil {
		return err
	}
	now := map[string]console.PartyState{}
	for _, p := range list.Parties {
		now[p.ClientID] = p
	}
	results := []console.PartyResult{}
	failed := 0
	note := func(id string, done []console.PartyResult, err error) {
		results = append(results, done...)
		if err != nil {
			failed++
			fmt.Fprintln(env.errs, printable(id+": "+err.Error()))
		}
	}
	for _, p := range file.Parties {
		old, known := now[p.ClientID]
		done, err := c.apply(env, p, old, known)
		note(p.ClientID, done, err)
		delete(now, p.ClientID)
	}
	for _, p := range list.Parties {
		if _, other := now[p.ClientID]; c.DisableOthers && other && !p.Configured && !p.Disabled {
			done, err := c.toggle(env, p.ClientID, true)
			note(p.ClientID, done, err)
		}
	}
	var lines []string
	for _, r := range results {
		lines = append(lines, resultText(r))
	}
	if err := c.print(env.out, results, strings.Join(lines, "\n")); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf(
			"%d of %d relying parties could not be imported", failed, len(file.Parties),
		)
	}
	return nil
}

// apply makes one party what the file says.
func (c *partyImportCmd) apply(
	env *environment, p console.PartyData, old console.PartyState, known bool,
) (done []console.PartyResult, err error) {
	// Before the edit, because a later change would make a proposal void.
	if known && p.Disabled != old.Disabled {
		if done, err = c.toggle(env, p.ClientID, p.Disabled); err != nil {
			return nil, err
		}
		if !c.DryRun {
			old.Version++
		}
	}
	var result console.PartyResult
	query := c.query()
	if c.DryRun {
		query = strings.TrimSuffix("?dry_run&"+strings.TrimPrefix(query, "?"), "&")
	}
	if known {
		put := console.PartyPut{PartyData: p, Version: old.Version}
		err = c.call(env.ctx, http.MethodPut, partyPath(p.ClientID)+query, put, &result)
	} else {
		err = c.call(env.ctx, http.MethodPost, query, p, &result)
	}
	if err != nil {
		return done, err
	}
	done = append(done, result)
	if !known && p.Disabled {
		more, err := c.toggle(env, p.ClientID, true)
		return append(done, more...), err
	}
	return done, nil
}

// toggle disables or enables a party, unless this is a dry run.
func (c *partyImportCmd) toggle(
	env *environment, id string, disable bool,
) ([]console.PartyResult, error) {
	what := "enable"
	if disable {
		what = "disable"
	}
	result := console.PartyResult{ClientID: id, Change: what + "d"}
	if c.DryRun {
		return []console.PartyResult{result}, nil
	}
	a, err := c.about(env.ctx, id)
	if err != nil {
		return nil, err
	}
	err = c.call(
		env.ctx, http.MethodPost, partyPath(id)+"/"+what, console.PartyVersion{Version: a.Version},
		&result,
	)
	if err != nil {
		return nil, err
	}
	return []console.PartyResult{result}, nil
}

// readPartyFile reads a file of parties, which name each party once.
func readPartyFile(name string) (file partyFile, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return file, err
	}
	if err := config.DecodeYAML(text, &file); err != nil {
		return file, fmt.Errorf("%s: %w", name, err)
	}
	seen := map[string]bool{}
	for _, p := range file.Parties {
		switch {
		case p.ClientID == "":
			return file, fmt.Errorf("%s: a relying party has no client_id", name)
		case seen[p.ClientID]:
			return file, fmt.Errorf("%s: client_id %s is there twice", name, p.ClientID)
		}
		seen[p.ClientID] = true
	}
	if len(file.Parties) == 0 {
		return file, errors.New(name + ": there is no relying party")
	}
	return file, nil
}
