package config

import "testing"

func TestLoopback(t *testing.T) {
	for addr, ok := range map[string]bool{
		"127.0.0.1:5157": true, "127.8.8.8:0": true, "[::1]:5157": true, "localhost:5157": true,
		":5157": false, "0.0.0.0:5157": false, "[::]:5157": false, "10.0.0.1:5157": false,
		"localhost.example:5157": false, "5157": false, "": false,
	} {
		if err := loopback(addr); (err == nil) != ok {
			t.Errorf("%q: %v", addr, err)
		}
	}
}

func TestSandboxListen(t *testing.T) {
	for _, c := range []struct{ addr, mock, port, want string }{
		{"", "", "", "127.0.0.1:5156"},
		{"0.0.0.0", "", "", "0.0.0.0:5156"},
		{"0.0.0.0", "", "3000", "0.0.0.0:3000"},
		{"", "4000", "3000", "127.0.0.1:4000"},
		{":80", "4000", "3000", ":80"},
		{"[::]:80", "4000", "3000", "[::]:80"},
	} {
		env := map[string]string{"MOCKPASS_PORT": c.mock, "PORT": c.port}
		getenv := func(name string) string { return env[name] }
		if got := sandboxListen(c.addr, getenv); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
