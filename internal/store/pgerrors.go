package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// pgTransient reports whether a transaction may succeed when it is retried: it conflicted with
// another one, or the connection broke.
func pgTransient(err error) bool {
	switch ErrorCode(err) {
	case "40001", "40P01": // serialization failure, deadlock
		return true
	}
	return connectionLost(err)
}

// ErrorCode returns the code (SQLSTATE) with which PostgreSQL refused a connection or a statement;
// "" if the error is another one.
func ErrorCode(err error) string {
	var answer *pgconn.PgError
	if !errors.As(err, &answer) {
		return ""
	}
	return answer.Code
}

// IsDenied reports whether the database refused a statement because its role lacks a privilege.
func IsDenied(err error) bool { return ErrorCode(err) == "42501" }

// IsPlainServer reports whether the server has no TLS, and the URL asks for it.
func IsPlainServer(err error) bool {
	return err != nil && strings.Contains(err.Error(), "server refused TLS connection")
}

// IsRefusedByPooler reports whether a pooler has refused a setting with which a connection begins,
// as PgBouncer refuses those that it does not know.
func IsRefusedByPooler(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) &&
		strings.HasPrefix(answer.Message, "unsupported startup parameter")
}

// connectionLost reports whether err is the end of a connection rather than an answer of the
// server.
func connectionLost(err error) bool {
	if code := ErrorCode(err); code != "" {
		// Class 08: connection exceptions. 57P01 to 57P05: the server stops, starts, or has ended
		// the connection. 25P03: the transaction was idle for too long.
		return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57P") || code == "25P03"
	}
	return pgconn.SafeToRetry(err) || errors.Is(err, sql.ErrConnDone) || isNetwork(err)
}

func isNetwork(err error) bool {
	var network net.Error
	var connecting *pgconn.ConnectError
	return errors.As(err, &network) || errors.As(err, &connecting) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) ||
		errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, context.DeadlineExceeded)
}
