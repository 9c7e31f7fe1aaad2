package httpx

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/signet-sign/signet/internal/request"
)

// retryAfter is the time in Retry-After while the database or the disk is away.
const retryAfter = 10 * time.Second

// Fault logs err, which is not a refusal, and returns the status of its answer: 503 while the
// database or the disk is away, for which it sets Retry-After, and 500 otherwise. If the client has
// gone it logs nothing, because clients could write lines at will.
func Fault(
	w http.ResponseWriter, r *http.Request, log *slog.Logger, message string, err error,
) (status int) {
	if r.Context().Err() != nil {
		// The client has closed the connection, or only its direction and still reads. Without an
		// answer the HTTP server sends 200, which says that the call succeeded.
		w.Header().Set("Retry-After", "1")
		return http.StatusServiceUnavailable
	}
	log.ErrorContext(r.Context(), message, "route", r.Pattern, "err", err)
	if !unavailable(err) {
		return http.StatusInternalServerError
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
	return http.StatusServiceUnavailable
}

func unavailable(err error) bool {
	return errors.Is(err, request.ErrAway) || errors.Is(err, request.ErrNoRoom)
}
