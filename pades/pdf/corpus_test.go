package pdf_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
)

var update = flag.Bool("update", false, "rewrite the tables in testdata")

// TestCorpus opens and signs the files of ../testdata/corpus, which other projects made, and
// compares what happens with testdata/corpus.tsv: file, number of pages, and
// "ok" or the reason of the refusal.
func TestCorpus(t *testing.T) {
	const dir = "../testdata/corpus"
	files, err := filepath.Glob(filepath.Join(dir, "*.pdf"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no files in %s", dir)
	}
	var table strings.Builder
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pages := 0
		d, err := pdf.Open(bytes.NewReader(b), int64(len(b)), pdf.Limits{})
		if err == nil {
			pages = d.NumPages()
			_, err = sign(d)
		}
		outcome := string(pdf.ReasonOf(err))
		switch {
		case err == nil:
			outcome = "ok"
			t.Run(filepath.Base(file), func(t *testing.T) { checkUpdate(t, b, "") })
		case outcome == "":
			t.Errorf("%s: %v", file, err)
		}
		fmt.Fprintf(&table, "%s\t%d\t%s\n", filepath.Base(file), pages, outcome)
	}
	golden := filepath.Join("testdata", "corpus.tsv")
	if *update {
		if err := os.WriteFile(golden, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != table.String() {
		t.Errorf(
			"outcomes differ from %s; run with -update and look at the difference. Now:\n%s",
			golden, &table,
		)
	}
}
