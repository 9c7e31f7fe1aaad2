package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/store"
)

const (
	lowSpace  = 1 << 30 // bytes; below it checkDisk warns
	slowQuery = 50 * time.Millisecond
)

// checkDatabase looks whether the database answers, and is the one of the deployment.
func checkDatabase(ctx context.Context, s *subject) Finding {
	err := s.marked(ctx, s.store)
	remedy := "start the database, and set database to the one of the deployment"
	if store.IsDenied(err) {
		remedy = deniedRemedy
	}
	return faulty(err, remedy, "")
}

const deniedRemedy = "let the role in database own the tables and have CREATE on the schema: it migrates them"

// checkSchema looks whether the database has the schema of this program.
func checkSchema(ctx context.Context, s *subject) Finding {
	err := s.store.CheckSchema(ctx)
	if err != nil && !s.running {
		return ok("a start migrates it: %v", err)
	}
	return faulty(err, "restart the service, which migrates the database", "")
}

// databaseRemedy says what to do about a database that cannot be opened.
func databaseRemedy(err error) string {
	switch {
	case errors.Is(err, store.ErrNewerSchema):
		return "start the newer release that migrated the database"
	case store.IsDenied(err):
		return deniedRemedy
	case errors.Is(err, store.ErrOtherKind):
		return "set data and database to those of the service"
	}
	return "start the database; check host, port, user, password and name in database, and what " +
		"the server's pg_hba.conf allows"
}

// checkServer looks whether the database takes changes, keeps them, and answers soon.
func checkServer(ctx context.Context, s *subject) Finding {
	server, err := s.store.Server(ctx)
	text := fmt.Sprintf(
		"%s, %s for a query", server.Version, server.Latency.Round(time.Microsecond),
	)
	switch {
	case err != nil:
		return faulty(err, databaseRemedy(err), "")
	case server.ReadOnly:
		return faulty(
			fmt.Errorf("%s takes no changes", server.Version),
			"name the primary server in database, or several hosts with target_session_attrs=read-write",
			"",
		)
	case server.Losing != "":
		return faulty(
			fmt.Errorf("%s: a crash can lose changes that were acknowledged", server.Losing),
			"set it to on for the server, and remove it from the URL in database", "",
		)
	case server.Latency > slowQuery:
		return warning("run the database in the same data centre as the nodes", "%s", text)
	}
	return ok("%s", text)
}

// checkFacts compares the configuration with what all nodes of the deployment share.
func checkFacts(ctx context.Context, s *subject) (list []Finding) {
	dir, err := s.config.directory("authority", s.store)
	var root *x509.Certificate
	if err == nil {
		root, err = certificateIn(dir, "root.crt")
	}
	if errors.Is(err, fs.ErrNotExist) && s.id == "" {
		return nil
	}
	if err != nil {
		f := faulty(err, "restore the authority from a backup", "")
		f.Check = "authority"
		return []Finding{f}
	}
	for _, fact := range s.config.facts(root) {
		recorded, err := s.store.Recorded(ctx, fact.key)
		text := ""
		switch {
		case err != nil:
		case recorded == "":
			text = "a start records it"
		default:
			if err = fact.against(recorded); err != nil {
				err = errors.New(strings.TrimPrefix(err.Error(), fact.key+": "))
			}
		}
		f := faulty(err, "set "+fact.key+" to the deployment's on this node", text)
		f.Check = fact.key
		list = append(list, f)
	}
	return list
}

const documentsRemedy = "mount the folder, make it writable for the service's user, or free space on " +
	"its disk; of a bucket correct documents and its credentials"

// checkDocuments looks whether documents can be stored beside those of the deployment.
func checkDocuments(ctx context.Context, s *subject) Finding {
	return faulty(
		errors.Join(s.marked(ctx, s.documents), s.documents.Check(ctx)), documentsRemedy, "",
	)
}

// checkDocumentKeys looks whether the keys of encrypted documents can be unwrapped.
func checkDocumentKeys(ctx context.Context, s *subject) Finding {
	keys, err := s.openKeys()
	if err != nil {
		return faulty(err, "restore the keys folder from a backup", "")
	}
	if s.store.CheckSchema(ctx) != nil {
		return ok("the database has none yet")
	}
	v, err := s.config.openVault(
		ctx, &parts{store: s.store, keys: keys}, store.Options{Now: s.now, Log: s.log},
	)
	if err == nil {
		err = v.Check(ctx)
	}
	return faulty(err, "restore the keys folder from a backup", "")
}

// checkDisk looks how much space is free for the data folder.
func checkDisk(_ context.Context, s *subject) Finding {
	path := s.config.Data
	if path == "" {
		return ok("nothing is stored on this machine")
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		path = filepath.Dir(filepath.Clean(path))
	}
	free, err := s.free(path)
	switch text := fmt.Sprintf("%.1f GiB are free for %s", float64(free)/(1<<30), path); {
	case err != nil:
		return faulty(err, "make the folder in data, or correct data", "")
	case free < lowSpace:
		return warning(
			"free space, or enlarge the disk: below 64 MiB uploads are refused", "%s", text,
		)
	default:
		return ok("%s", text)
	}
}

// checkOwner looks for files of the data folder that another user owns, as after a command of root.
// The service, which is the user that owns the folder, cannot read them.
func checkOwner(_ context.Context, s *subject) Finding {
	data := s.config.Data
	if data == "" {
		return ok("nothing is stored on this machine")
	}
	info, err := os.Stat(data)
	if err != nil {
		return faulty(err, "make the folder in data, or correct data", "")
	}
	want, known := owner(info)
	var others []string
	for _, folder := range []string{"", "keys", "authority", "documents"} {
		entries, err := os.ReadDir(filepath.Join(data, folder))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return faulty(err, "give the folder to the service's user", "")
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil {
				continue // it was removed in the meantime
			}
			if uid, ok := owner(info); known && ok && uid != want {
				others = append(others, filepath.Join(folder, e.Name()))
			}
		}
	}
	if len(others) == 0 {
		return ok("all files in %s have the owner of the folder", data)
	}
	return faulty(
		fmt.Errorf(
			"%d files in %s have another owner than the folder, such as %s", len(others), data,
			others[0],
		),
		"chown -R the folder to the service's user",
		"",
	)
}

// checkClock compares the clock of this machine with the database's.
func checkClock(ctx context.Context, s *subject) Finding {
	if !s.running {
		if err := s.clock.measure(ctx); err != nil {
			return faulty(err, "start the database", "")
		}
	}
	const remedy = "synchronise the clocks of this machine and of the database's, as by chrony"
	offset := s.clock.offset()
	if err := s.clock.check(ctx); err != nil || offset.Abs() < clockWarn {
		return faulty(err, remedy, "")
	}
	return warning(
		remedy, "the clock of this node is ahead of the database's by %s",
		offset.Round(time.Millisecond),
	)
}
