package obs_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"unicode"

	"github.com/signet-sign/signet/internal/obs"
)

// TestHostileTexts logs what clients put into texts: each is one line, nothing in it moves the
// cursor of a terminal or changes a direction, and the JSON has the text.
func TestHostileTexts(t *testing.T) {
	for _, text := range []string{
		"plain", "\x1b[2J", "\u009b2J", "a\nb", "a\r\nlevel=INFO", "\u2028\u2029", "\u202e\u2066", "\x00",
		"\U000e0041", "\ufeff", "陈小慧", "தமிழ்", "é\u0301", "😀", `"\u009b`,
		strings.Repeat("\u009b", 10_000),
	} {
		for _, format := range []string{obs.FormatJSON, "text"} {
			var out bytes.Buffer
			obs.NewLogger(&out, slog.LevelInfo, format).Info("m", "text", text, text, 1)
			line, ended := strings.CutSuffix(out.String(), "\n")
			if !ended || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsGraphic(r) }) {
				t.Errorf("%s: %.80q is logged as %.200q", format, text, out.String())
			}
			var got map[string]any
			if format != obs.FormatJSON {
				continue
			}
			if err := json.Unmarshal([]byte(line), &got); err != nil || got["text"] != text {
				t.Errorf("%.80q is read as %.200q, %v", text, got["text"], err)
			}
		}
	}
}
