package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/parts"
	"github.com/signet-sign/signet/internal/store"
)

const (
	lowSpace  = 1 << 30 // bytes; below it checkDisk warns
	slowQuery = 50 * time.Millisecond
)

// checkDatabase looks whether the database answers, is the one of the deployment, and takes
// changes again if it did not.
func checkDatabase(ctx context.Context, s *Service) Finding {
	var err error
	if s.ID == "" { // a finding about the deployment says why
		_, err = s.Store.Mark(ctx)
	} else {
		err = s.marked(ctx, s.Store)
	}
	remedy := "start the database, and set database to the one of the deployment"
	if store.IsDenied(err) {
		remedy = deniedRemedy
	}
	if err == nil {
		err = s.Store.CheckWrites(ctx)
		remedy = "free space on the disk of the database, or make it writable"
	}
	return faulty(err, remedy, "")
}

const deniedRemedy = "let the role in database own the tables and have CREATE on the schema: it migrates them"

// checkSchema looks whether the database has the schema of this program.
func checkSchema(ctx context.Context, s *Service) Finding {
	err := s.Store.CheckSchema(ctx)
	if err != nil && !s.Running {
		return ok("a start migrates it: %v", err)
	}
	return faulty(err, "restart the service, which migrates the database", "")
}

// checkPartitions looks whether the next requests get a partition of their month.
func checkPartitions(ctx context.Context, s *Service) Finding {
	err := s.Store.CheckPartitions(ctx, s.Now())
	remedy := "a sweep makes them once an hour: see its error in the log, and docs/scaling.md, " +
		"\"Partitions by month\""
	if store.IsDenied(err) {
		remedy = deniedRemedy
	}
	return faulty(err, remedy, "")
}

// databaseRemedy says what to do about a database that cannot be opened.
func databaseRemedy(err error) string {
	switch {
	case errors.Is(err, store.ErrNewerSchema):
		return "start the newer release that migrated the database"
	case store.IsDenied(err):
		return deniedRemedy
	case errors.Is(err, store.ErrPooled), store.IsRefusedByPooler(err):
		return "set database_listen to the URL of the same database past the pooler"
	case errors.Is(err, store.ErrOtherKind):
		return "set data and database to those of the service"
	}
	if remedy := serverRemedies[store.ErrorCode(err)]; remedy != "" {
		return remedy
	}
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "set sslrootcert in the URL in database to a file with the authority of the server's " +
			"certificate, or to system for one that this machine trusts"
	case errors.As(err, new(x509.HostnameError)):
		return "name the server in database by a host that its certificate has"
	case errors.As(err, new(x509.CertificateInvalidError)):
		return "renew the certificate of the database's server, and set the clock of this machine"
	case store.IsPlainServer(err):
		return "set ssl to on, with a certificate, in the configuration of the database's server"
	}
	return "start the database; check host, port, user, password and name in database, and what " +
		"the server's pg_hba.conf allows"
}

// flaws says what each kind of flaw of the database's server means, and what to do.
var flaws = map[store.FlawKind]struct {
	level         Level
	means, remedy string
}{
	store.FlawReadOnly: {
		Fault, "no call can be answered",
		"name the primary server in database, or several hosts with target_session_attrs=read-write",
	},
	store.FlawLosing: {
		Fault, "a crash can lose changes that were acknowledged",
		"set it to on for the server, and remove it from the URL in database",
	},
	store.FlawStandby: {
		Fault, "commits wait, and calls are answered 503",
		"start the standby; or, if it is lost, remove it from synchronous_standby_names " +
			"(docs/operating.md, \"A synchronous standby\")",
	},
	store.FlawEncoding: {
		Fault, "it lacks characters of names",
		"make the database with ENCODING 'UTF8' before the first start, or dump it and restore it into one",
	},
	store.FlawHasty: {
		Fault, "work of the service is cut off",
		"reset it for the role and the database (ALTER ROLE ... RESET, ALTER DATABASE ... RESET) " +
			"and in the URL in database",
	},
	store.FlawVacuum: {
		Warning, "rows that were replaced stay, so the tables grow and calls get slower",
		"set it to on (ALTER SYSTEM SET ..., SELECT pg_reload_conf()), or for a table " +
			"ALTER TABLE ... RESET (autovacuum_enabled)",
	},
	store.FlawConnections: {
		Warning, "a node without one answers 503",
		"raise max_connections of the server, or the connection limit of the role or database, or use a pooler",
	},
}

// serverRemedies say what to do about the codes (SQLSTATE) of a server that refuses a connection.
var serverRemedies = map[string]string{
	"28P01": serverLogin,
	"28000": serverLogin,
	"3D000": "make the database (CREATE DATABASE ... OWNER ...), or correct its name in database",
	"53300": "raise max_connections of the server, or use a pooler",
	"22023": serverParameters,
	"42704": serverParameters,
}

const serverParameters = "correct the parameters of the URL in database (after ?): what is none of " +
	"the connection's is a setting of the server"

const serverLogin = "set user and password in database, or database_password_file, to those of the " +
	"role, and let the server's pg_hba.conf allow it from this machine"

// checkServer looks whether the database takes changes, keeps them, and answers soon.
func checkServer(ctx context.Context, s *Service) []Finding {
	server, err := s.Store.Server(ctx)
	return s.serverFindings(server, err)
}

func (s *Service) serverFindings(server store.Server, err error) (list []Finding) {
	if err != nil {
		return []Finding{faulty(err, databaseRemedy(err), "")}
	}
	for _, f := range server.Flaws {
		if f.Kind == store.FlawConnections && s.Config.DatabaseListen != "" {
			continue // the pooler has them
		}
		known := flaws[f.Kind]
		list = append(list, Finding{
			Level: known.level, Text: fmt.Sprintf("%s: %s", f.Text, known.means),
			Remedy: known.remedy,
		})
	}
	text := fmt.Sprintf(
		"%s, %s for a query", server.Version, server.Latency.Round(time.Microsecond),
	)
	switch {
	case server.Latency > slowQuery:
		return append(
			list, warning("run the database in the same data centre as the nodes", "%s", text),
		)
	case len(list) == 0:
		return []Finding{ok("%s", text)}
	}
	return list
}

// checkFacts compares the configuration with what all nodes of the deployment share.
func checkFacts(ctx context.Context, s *Service) (list []Finding) {
	dir, err := parts.Directory(s.Config, "authority", s.Store)
	var root *x509.Certificate
	if err == nil {
		root, err = parts.CertificateIn(dir, "root.crt")
	}
	if errors.Is(err, fs.ErrNotExist) && s.ID == "" {
		return nil
	}
	if err != nil {
		f := faulty(err, "restore the authority from a backup", "")
		f.Check = "authority"
		return []Finding{f}
	}
	for _, fact := range parts.Facts(s.Config, root) {
		recorded, err := s.Store.Recorded(ctx, fact.Key)
		text := ""
		switch {
		case err != nil:
		case recorded == "":
			text = "a start records it"
		default:
			if err = fact.Against(recorded); err != nil {
				err = errors.New(strings.TrimPrefix(err.Error(), fact.Key+": "))
			}
		}
		f := faulty(err, "set "+fact.Key+" to the deployment's on this node", text)
		f.Check = fact.Key
		list = append(list, f)
	}
	return list
}

const documentsRemedy = "mount the folder, make it writable for the service's user, or free space on " +
	"its disk; of a bucket correct documents and its credentials"

// bucketRemedies say what to do about the codes of an object store's answers.
var bucketRemedies = map[string]string{
	"AccessDenied": "grant the credentials the permission that the text names; docs/operating.md, " +
		"\"Documents in an object store\", lists all",
	"NoSuchBucket":                 "make the bucket, or correct its name in documents",
	"InvalidAccessKeyId":           bucketCredentials,
	"SignatureDoesNotMatch":        bucketCredentials,
	"ExpiredToken":                 bucketCredentials,
	"XAdminUserNotFound":           bucketCredentials, // of versitygw
	"RequestTimeTooSkewed":         "synchronise the clocks of this machine and of the store's, as by chrony",
	"PermanentRedirect":            "set region in documents to that of the bucket",
	"AuthorizationHeaderMalformed": "set region in documents to that of the bucket",
}

const bucketCredentials = "set documents_credentials_file, or the environment, to credentials of the store"

// storageRemedy returns the remedy for an error of the documents, and other for one of another
// part.
func storageRemedy(err error, other string) string {
	if remedy := bucketRemedies[documents.ErrorCode(err)]; remedy != "" {
		return remedy
	}
	return other
}

func documentsFinding(err error) Finding {
	return faulty(err, storageRemedy(err, documentsRemedy), "")
}

// checkDocuments looks whether documents can be stored beside those of the deployment.
func checkDocuments(ctx context.Context, s *Service) Finding {
	return documentsFinding(errors.Join(s.marked(ctx, s.Documents), s.Documents.Check(ctx)))
}

// checkSweep looks whether documents that are no longer needed can be found and deleted.
func checkSweep(ctx context.Context, s *Service) Finding {
	return documentsFinding(s.Documents.CheckSweep(ctx))
}

// checkDocumentKeys looks whether the keys of encrypted documents can be unwrapped.
func checkDocumentKeys(ctx context.Context, s *Service) Finding {
	keys, err := s.openKeys()
	if err != nil {
		return faulty(err, "restore the keys folder from a backup", "")
	}
	if s.Store.CheckSchema(ctx) != nil {
		return ok("the database has none yet")
	}
	v, err := parts.OpenVault(
		ctx, s.Config, &parts.Parts{Store: s.Store, Keys: keys},
		store.Options{Now: s.Now, Log: s.Log},
	)
	if err == nil {
		err = v.Check(ctx)
	}
	return faulty(err, "restore the keys folder from a backup", "")
}

// checkDisk looks whether the data folder is on a disk, and how much of it is free.
func checkDisk(_ context.Context, s *Service) Finding {
	path := s.Config.Data
	if path == "" {
		return ok("nothing is stored on this machine")
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		path = filepath.Dir(filepath.Clean(path))
	}
	free, err := s.Free(path)
	switch text := fmt.Sprintf("%.1f GiB are free for %s", float64(free)/(1<<30), path); {
	case err != nil:
		return faulty(err, "make the folder in data, or correct data", "")
	case s.InMemory(path):
		return faulty(
			fmt.Errorf("%s is in memory (tmpfs): a restart of the machine loses all of it", path),
			"set data to a folder on a disk, or mount one there", "",
		)
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
func checkOwner(_ context.Context, s *Service) Finding {
	data := s.Config.Data
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
		if open := openToOthers(data); open != "" {
			return warning(
				"chmod 700 the folders and 600 the files in "+data,
				"every user of this machine can change %s", open,
			)
		}
		if open := readable(data); open != "" {
			return warning(
				"chmod 700 "+data+", or 600 the file",
				"every user of this machine can read %s, which has persons' names and numbers",
				open,
			)
		}
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

// openToOthers returns the first of the folders and databases below data that every user of the
// machine can write to; "" if there is none.
func openToOthers(data string) string {
	for _, name := range []string{
		"", "keys", "authority", "documents", "signet.db", "signet.db-wal", "signet.db-shm",
	} {
		path := filepath.Join(data, name)
		info, err := os.Stat(path)
		if err == nil && info.Mode().Perm()&0o002 != 0 && info.Mode()&os.ModeSticky == 0 {
			return path
		}
	}
	return ""
}

// readable returns the first of the databases in data that every user of the machine can read; ""
// if there is none.
func readable(data string) string {
	if info, err := os.Stat(data); err != nil || info.Mode().Perm()&0o001 == 0 {
		return ""
	}
	for _, name := range []string{"signet.db", "signet.db-wal"} {
		path := filepath.Join(data, name)
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o004 != 0 {
			return path
		}
	}
	return ""
}

// checkClock compares the clock of this machine with the database's.
func checkClock(ctx context.Context, s *Service) Finding {
	if !s.Running {
		if err := s.Clock.Measure(ctx); err != nil {
			return faulty(err, "start the database", "")
		}
	}
	const remedy = "synchronise the clocks of this machine and of the database's, as by chrony"
	offset := s.Clock.Offset()
	if err := s.Clock.Check(ctx); err != nil || offset.Abs() < parts.ClockWarn {
		return faulty(err, remedy, "")
	}
	return warning(remedy, "the clock of this node is %s the database's", parts.Apart(offset))
}

// clockOff is from when on the clock of another machine differs: its answers show whole seconds,
// and may have been under way for some.
const clockOff = 30 * time.Second

// ahead returns how far the clock of this machine is ahead of that of a server that has just
// answered, by the Date and Age of the answer (RFC 9110, 6.6.1; RFC 9111, 5.1); 0 if that is less
// than clockOff or not known, and in a sandbox, whose clock is its own.
func (s *Service) ahead(answer http.Header) time.Duration {
	date, err := http.ParseTime(answer.Get("Date"))
	if err != nil || s.Clock == nil {
		return 0
	}
	age, _ := strconv.Atoi(answer.Get("Age"))
	offset := s.Now().Sub(date.Add(time.Duration(age) * time.Second))
	if offset.Abs() < clockOff {
		return 0
	}
	return offset.Round(time.Second)
}
