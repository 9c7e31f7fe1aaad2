package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/person"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/store"
)

// stored is a record that a store returned. show returns the record as a listing shows it.
type stored struct {
	record any // pointer
	show   func() fields
}

func storedAs[T any](list []T, show func(*T) fields) (all []stored) {
	for i := range list {
		all = append(all, stored{&list[i], func() fields { return show(&list[i]) }})
	}
	return all
}

// storedRecords are all records of a golden database.
func storedRecords(t testing.TB, s *store.Store, g *golden) (all []stored) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	for _, kept := range g.Requests {
		r, err := s.Get(ctx, kept.RequestID)
		must(err)
		events, err := s.Events(ctx, r.ID)
		must(err)
		jobs, err := s.Jobs(ctx, r.ID)
		must(err)
		all = append(all, stored{r, func() fields { return listRequest(r) }})
		all = slices.Concat(all, storedAs(events, listEvent), storedAs(jobs, listJob))
	}
	for _, uin := range goldenPeople {
		phones, err := s.Phones(ctx, uin)
		must(err)
		all = append(all, storedAs(phones, listPhone)...)
	}
	parties, _, err := s.Registrations(ctx)
	must(err)
	changes, err := s.PartyChanges(ctx, g.Clinic, 1000)
	must(err)
	records, err := s.Calls(ctx, calllog.Filter{Limit: 10_000})
	must(err)
	ofParties, ofPeople, err := proposals(ctx, s, g)
	must(err)
	receivers, err := s.Receivers(ctx)
	must(err)
	return slices.Concat(
		all, storedAs(receivers, listReceiver), storedAs(parties, listRegistration), storedAs(changes, listChange),
		storedAs(records, listCall), storedAs(ofParties, listPartyProposal),
		storedAs(ofPeople, listPersonProposal),
	)
}

// leaves calls visit with each value that a record consists of, and its path.
func leaves(path string, v reflect.Value, visit func(path string, v reflect.Value)) {
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		leaves(path, v.Elem(), visit)
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				leaves(path+"."+f.Name, v.Field(i), visit)
			}
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct && v.Len() > 0:
		for i := range v.Len() {
			leaves(path, v.Index(i), visit)
		}
	default:
		visit(path, v)
	}
}

// leafPaths lists the paths of all values that a record of a type may have.
func leafPaths(path string, t reflect.Type) []string {
	switch {
	case t.Kind() == reflect.Pointer,
		t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		return leafPaths(path, t.Elem())
	case t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Time]():
		var all []string
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() {
				all = append(all, leafPaths(path+"."+f.Name, f.Type)...)
			}
		}
		return all
	}
	return []string{path}
}

// storedTypes are the types of the records that a store keeps.
var storedTypes = []reflect.Type{
	reflect.TypeFor[request.Request](), reflect.TypeFor[request.Event](),
	reflect.TypeFor[request.Job](), reflect.TypeFor[signer.Phone](),
	reflect.TypeFor[calllog.Record](),
	reflect.TypeFor[party.Registration](), reflect.TypeFor[party.Change](),
	reflect.TypeFor[party.Proposal](), reflect.TypeFor[person.Proposal](),
	reflect.TypeFor[party.Receiver](),
}

// notStored lists the fields that are zero in every record of the database.
func (c *goldenCopy) notStored(t testing.TB, s *store.Store) []string {
	t.Helper()
	missing := map[string]bool{}
	for _, kind := range storedTypes {
		for _, path := range leafPaths(kind.String(), kind) {
			missing[path] = true
		}
	}
	delete(missing, "party.Registration.Party.KeysEpoch")         // kept beside the registration
	delete(missing, "request.Request.Signed.Document.Signatures") // of uploaded documents only
	delete(missing, "request.Job.ClientID")                       // of newer jobs only
	delete(missing, "party.Registration.Party.JWKS")              // of configured parties only
	delete(missing, "party.Registration.Party.Problem")           // likewise
	// These need a browser that shows every page, or more downloads.
	for _, name := range []string{"Seen", "Count"} {
		delete(missing, "request.Event.Detail."+name)
	}
	// A proposal does not change the rest of a party.
	for _, name := range []string{"JWKS", "Problem", "Logo", "Disabled", "KeysEpoch"} {
		delete(missing, "party.Proposal.Party."+name)
	}
	if c.kind() == onSQLite {
		delete(missing, "request.Job.Lease") // SQLite: leases end when the database is opened
	}
	for _, r := range storedRecords(t, s, &c.golden) {
		v := reflect.ValueOf(r.record)
		leaves(v.Type().Elem().String(), v, func(path string, v reflect.Value) {
			if !v.IsZero() {
				delete(missing, path)
			}
		})
	}
	return slices.Sorted(maps.Keys(missing))
}

// TestGoldenShowsFields checks that a listing shows every field of every record, so that TestGolden
// compares all of them.
func TestGoldenShowsFields(t *testing.T) {
	eachGolden(t, func(t *testing.T, open func(testing.TB) *goldenCopy) {
		c := open(t)
		shown := 0
		for _, r := range storedRecords(t, c.store(t), &c.golden) {
			v := reflect.ValueOf(r.record)
			before := r.show()
			leaves(v.Type().Elem().String(), v, func(path string, v reflect.Value) {
				if v.IsZero() {
					return
				}
				was := reflect.New(v.Type()).Elem()
				was.Set(v)
				v.SetZero()
				if reflect.DeepEqual(before, r.show()) {
					t.Errorf("no listing shows %s", path)
				}
				v.Set(was)
				shown++
			})
		}
		if shown < map[store.Kind]int{store.Sandbox: 1000, store.Service: 700}[c.storeKind()] {
			t.Errorf("%d values only", shown)
		}
	})
}

// unseen lists stored values that a listing does not show. The text says why, or which test covers
// the value.
var unseen = map[string]string{
	"calls.at":               "TestGoldenForgets",
	"calls.authentic":        "only tells which records are dropped",
	"calls.data.id":          "0, and no longer read: the row's number is in a column",
	"outbox.ready_at":        "TestGoldenOperations: jobs that wait",
	"used_tokens.keep_until": "TestGoldenForgets",
	"used_tokens.purpose":    "storetest: what a token was used for",

	"requests.data.signed.signatures removed": "0: of uploaded documents only",
	"requests.data.signed.signatures renamed": "0: of uploaded documents only",

	"meta.key":            "read when the database is opened",
	"meta.value":          "read when the database is opened",
	"sqlite outbox.lease": "0 when the database is open",
}

// TestGoldenForgets drops the records of calls and the tokens of golden databases that are too old,
// and checks that the others stay.
func TestGoldenForgets(t *testing.T) {
	eachGolden(t, func(t *testing.T, open func(testing.TB) *goldenCopy) {
		c := open(t)
		s, ctx := c.store(t), t.Context()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		all, err := s.Calls(ctx, calllog.Filter{Limit: 10_000})
		must(err)
		before := c.At.Add(-time.Hour)
		young := slices.Clone(all)
		young = slices.DeleteFunc(young, func(r calllog.Record) bool { return r.At.Before(before) })
		_, err = s.ForgetCalls(ctx, before, 10_000)
		must(err)
		left, err := s.Calls(ctx, calllog.Filter{Limit: 10_000})
		must(err)
		if len(young) == 0 || len(young) == len(all) || len(left) != len(young) {
			t.Errorf("%d of %d calls are left, want %d", len(left), len(all), len(young))
		}

		_, err = s.ForgetUsed(ctx, c.At)
		must(err)
		used, want := 0, 0
		for client, ids := range c.JTIs {
			for _, jti := range ids {
				is, err := s.Used(ctx, client, jti)
				must(err)
				if is {
					used++
				}
			}
		}
		for _, kept := range c.Requests {
			r, err := s.Get(ctx, kept.RequestID)
			must(err)
			// A token lives for two minutes, and its id is kept for a minute more.
			if r.CreatedAt.Add(3 * time.Minute).After(c.At) {
				want++
			}
		}
		if want == 0 || want == len(c.Requests) || used != want {
			t.Errorf("the ids of %d tokens are left, want %d", used, want)
		}
	})
}

// TestGoldenNoticesChanges changes golden databases, one field at a time: it renames, removes and
// retypes each member of each JSON text, and changes the values of each column. To today's program
// the changed database is what the golden one is to a program that has renamed, removed or retyped
// the field. The test checks that TestGolden would fail each time. A field that several databases
// have is changed in the first of them: after the migrations all have the same columns, and one
// decoder reads the JSON of each (store/row.go), which has one version so far.
func TestGoldenNoticesChanges(t *testing.T) {
	done := map[string]bool{}
	planted := map[string]int{}
	eachGolden(t, func(t *testing.T, open func(testing.TB) *goldenCopy) {
		c := open(t)
		s := c.store(t)
		// Writing a change orders the members of JSON objects. All rows are written so before the
		// first change, so that the order makes no difference.
		for _, table := range c.tables(t) {
			rows := c.readRows(t, table)
			for column := range table.columns {
				rows = edited(
					rows, column, func(v any) any { return rewritten(t, v, func(any) {}) },
				)
			}
			c.writeRows(t, table, rows)
		}
		before, err := c.listing(t, s)
		if err != nil {
			t.Fatal(err)
		}
		known := func(what string) bool { return done[c.kind()+" "+what] }
		notices := func(what string) {
			t.Helper()
			done[c.kind()+" "+what] = true
			planted[c.kind()]++
			after, err := c.listing(t, s)
			noticed := err != nil || after != before
			member, _, _ := strings.Cut(what, " ")
			expected := true
			for _, name := range []string{what, member, c.kind() + " " + what} {
				if _, ok := unseen[name]; ok {
					expected = false
				}
			}
			if noticed != expected {
				t.Errorf("%s: noticed is %v", what, noticed)
			}
		}
		for _, table := range c.tables(t) {
			rows := c.readRows(t, table)
			for column, name := range table.columns {
				what := table.name + "." + name
				if !known(what) {
					if plantColumn(c, t, table, rows, column) {
						notices(what)
					}
					c.writeRows(t, table, rows)
				}
				if c.kind() == onPostgres {
					continue // its JSON is that of SQLite
				}
				for _, path := range jsonPaths(rows, column) {
					for _, how := range []string{"retyped", "renamed", "removed"} {
						if path == ".v" && how != "retyped" {
							break // a row without a version is of version 1
						}
						if known(what + path + " " + how) {
							continue
						}
						plantJSON(c, t, table, rows, column, path, how)
						notices(what + path + " " + how)
						c.writeRows(t, table, rows)
					}
				}
			}
		}
		if after, err := c.listing(t, s); err != nil || after != before {
			t.Fatalf("the last change was not taken back: %v\n%s", err, cmp.Diff(before, after))
		}
	})
	t.Logf("changes: %v", planted)
	if planted[onPostgres] < 50 || planted[onSQLite] < 300 {
		t.Errorf("these changes only: %v", planted)
	}
}

// table is a table of a golden database.
type table struct {
	name    string
	columns []string
}

// tables lists the tables, without that of the migrations.
func (c *goldenCopy) tables(t testing.TB) (all []table) {
	t.Helper()
	query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'`
	if c.database != "" {
		query = `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`
	}
	for _, row := range c.query(t, query+` ORDER BY 1`) {
		name := fmt.Sprint(row[0])
		if name == "goose_db_version" {
			continue
		}
		rows, err := c.db.QueryContext(t.Context(), "SELECT * FROM "+name)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		_ = rows.Close()
		all = append(all, table{name, columns})
	}
	return all
}

func (c *goldenCopy) query(t testing.TB, query string) (all [][]any) {
	t.Helper()
	rows, err := c.db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		row, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func (c *goldenCopy) readRows(t testing.TB, table table) [][]any {
	t.Helper()
	return c.query(t, "SELECT "+strings.Join(table.columns, ", ")+" FROM "+table.name)
}

// writeRows replaces what a table holds.
func (c *goldenCopy) writeRows(t testing.TB, table table, rows [][]any) {
	t.Helper()
	var places []string
	for i := range table.columns {
		places = append(places, fmt.Sprintf("$%d", i+1))
	}
	tx, err := c.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := tx.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	insert := "INSERT INTO " + table.name + " (" + strings.Join(table.columns, ", ") + ")" +
		" VALUES (" + strings.Join(places, ", ") + ")"
	exec("DELETE FROM " + table.name)
	for _, row := range rows {
		exec(insert, row...)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// edited is rows with one column changed.
func edited(rows [][]any, column int, change func(any) any) (out [][]any) {
	for _, row := range rows {
		row = slices.Clone(row)
		row[column] = change(row[column])
		out = append(out, row)
	}
	return out
}

// plantColumn changes the values of a column: it changes the unit of instants, negates truth values
// and lengthens texts. It returns false if all values are empty.
func plantColumn(c *goldenCopy, t testing.TB, table table, rows [][]any, column int) bool {
	t.Helper()
	holds := false
	c.writeRows(t, table, edited(rows, column, func(v any) any {
		switch v := v.(type) {
		case int64:
			holds = holds || v != 0
			if v == 1 {
				return int64(0)
			}
			if v < 1000 {
				return 1_000_000 - v // keeps the numbers of rows distinct
			}
			return v/1000 + v%1000
		case string:
			holds = holds || v != ""
			if v != "" {
				return v + "~"
			}
		}
		return v
	}))
	return holds
}

// jsonPaths lists the members of the JSON texts in a column, such as ".session.prepared.key". The
// path of a member of an array's elements has no index: ".locations.x".
func jsonPaths(rows [][]any, column int) []string {
	paths := map[string]bool{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, member := range v {
				paths[path+"."+name] = true
				walk(path+"."+name, member)
			}
		case []any:
			for _, element := range v {
				walk(path, element)
			}
		}
	}
	for _, row := range rows {
		if v, ok := parsed(row[column]); ok {
			walk("", v)
		}
	}
	return slices.Sorted(maps.Keys(paths))
}

func parsed(value any) (v any, ok bool) {
	text, isText := value.(string)
	if !isText || !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	return v, d.Decode(&v) == nil
}

// plantJSON changes a member of the JSON texts in a column.
func plantJSON(c *goldenCopy, t testing.TB, table table, rows [][]any, column int, path, how string,
) {
	t.Helper()
	names := strings.Split(strings.TrimPrefix(path, "."), ".")
	var plant func(v any, names []string)
	plant = func(v any, names []string) {
		switch v := v.(type) {
		case []any:
			for _, element := range v {
				plant(element, names)
			}
		case map[string]any:
			member, ok := v[names[0]]
			switch {
			case !ok:
			case len(names) > 1:
				plant(member, names[1:])
			case how == "renamed":
				v[names[0]+"_"] = member
				delete(v, names[0])
			case how == "removed":
				delete(v, names[0])
			case how == "retyped":
				v[names[0]] = retyped(member)
			}
		}
	}
	c.writeRows(t, table, edited(rows, column, func(value any) any {
		return rewritten(t, value, func(v any) { plant(v, names) })
	}))
}

// rewritten is a JSON text after a change. Other values stay as they are.
func rewritten(t testing.TB, value any, change func(v any)) any {
	t.Helper()
	v, ok := parsed(value)
	if !ok {
		return value
	}
	change(v)
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// retyped is a value of another JSON type.
func retyped(v any) any {
	switch v := v.(type) {
	case string:
		return 1
	case json.Number, bool:
		return fmt.Sprint(v)
	}
	return []any{v}
}

// kind is onSQLite or onPostgres.
func (c *goldenCopy) kind() string {
	if c.database != "" {
		return onPostgres
	}
	return onSQLite
}
