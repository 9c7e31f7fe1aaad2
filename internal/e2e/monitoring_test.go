package e2e_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/token"
)

const (
	alertsFolder  = "../../deploy/prometheus"
	dashboardFile = "../../deploy/grafana/signet.json"
)

// readAlerts returns the expressions of the alert rules by name.
func readAlerts(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(alertsFolder + "/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	alerts := map[string]string{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			alerts[r.Alert] = r.Expr
		}
	}
	return alerts
}

// readDashboard returns the expressions of the dashboard's panels.
func readDashboard(t *testing.T) (expressions []string) {
	t.Helper()
	text, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, p := range file.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("the panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			expressions = append(expressions, target.Expr)
		}
	}
	return expressions
}

// metricName finds the metrics that an expression names.
var metricName = regexp.MustCompile(`\b(?:signet|go|process)_[a-z_]+`)

// TestMonitoringMetrics checks that a program that has signed a document and refused a call has
// every metric that the alert rules and the dashboard name, and that each metric of the program is
// in one of them.
func TestMonitoringMetrics(t *testing.T) {
	s := start(t)
	in := s.sign(t)
	s.webhooks(t, in.RequestID)
	if a := s.upload(t, "not a token", nil); a.status != http.StatusBadRequest {
		t.Fatalf("the call is answered %d", a.status)
	}
	resp, err := http.Get(s.control + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{} // names of samples
	for line := range strings.Lines(string(text)) {
		have[metricName.FindString(line)] = !strings.HasPrefix(line, "#") ||
			have[metricName.FindString(line)]
	}
	used := map[string]bool{}
	for _, expr := range append(readDashboard(t), slices.Collect(maps.Values(readAlerts(t)))...) {
		for _, name := range metricName.FindAllString(expr, -1) {
			used[name] = true
			if !have[name] {
				t.Errorf("%s: the program has no %s", expr, name)
			}
		}
	}
	suffix := regexp.MustCompile(`_(bucket|sum|count)$`)
	for name := range have {
		base := suffix.ReplaceAllString(name, "")
		if strings.HasPrefix(name, "signet_") && !used[name] && !used[base+"_bucket"] &&
			!used[base+"_count"] {
			t.Errorf("neither an alert nor the dashboard uses %s", name)
		}
	}
	for _, want := range []string{
		`signet_refusals_total{call="initiate",check="` + string(token.CheckAuthorization) +
			`",code="` + api.CodeUnauthorized + `"} 1`,
		"signet_webhook_age_seconds_count 1",
		`signet_certificate_end_timestamp_seconds{certificate="issuing"}`,
		`signet_queue_jobs{kind="webhook"} 0`,
		`signet_ready{check="documents"} 1`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// TestMonitoringAlerts checks the alert rules with promtool, whose unit tests let each alert fire
// once, and none while nothing is wrong.
func TestMonitoringAlerts(t *testing.T) {
	text, err := os.ReadFile(alertsFolder + "/alerts_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Tests []struct {
			Alerts []struct {
				Name     string `yaml:"alertname"`
				Expected []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, a := range test.Alerts {
			if len(a.Expected) > 0 {
				fires[a.Name] = true
			} else {
				silent[a.Name] = true
			}
		}
	}
	for name := range readAlerts(t) {
		if !fires[name] || !silent[name] {
			t.Errorf(
				"%s: a test that it fires: %t, that it does not: %t", name, fires[name],
				silent[name],
			)
		}
	}
	path := tool(t, "promtool", "prometheus")
	if path == "" {
		return
	}
	for _, args := range [][]string{
		{"check", "rules", "alerts.yml"},
		{"test", "rules", "alerts_test.yml"},
		{"check", "config", "--syntax-only", "prometheus.yml"},
	} {
		c := exec.Command(path, args...)
		c.Dir = alertsFolder
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
