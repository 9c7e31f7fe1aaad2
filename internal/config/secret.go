package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// A secretFile is a key of [Config] that names the file of a secret, such as console_password_file
// for console_password.
type secretFile struct {
	key, secret string  // keys
	path, value *string // their fields in one configuration
}

// secretFiles returns all keys that end in _file.
func (c *Config) secretFiles() (list []secretFile) {
	fields := map[string]*string{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		s, ok := reflect.ValueOf(c).Elem().FieldByIndex(f.Index).Addr().Interface().(*string)
		if ok {
			fields[f.Tag.Get("yaml")] = s
		}
	}
	for key, path := range fields {
		if secret, ok := strings.CutSuffix(key, "_file"); ok {
			list = append(list, secretFile{key, secret, path, fields[secret]})
		}
	}
	slices.SortFunc(list, func(a, b secretFile) int { return strings.Compare(a.key, b.key) })
	return list
}

// ReadSecrets sets each secret whose file is configured to the file's text, without one line break
// at its end. It expands the folder of systemd's credentials in the path. The error is an [Error].
func (c *Config) ReadSecrets() error { return Mistake(c.readSecrets()) }

func (c *Config) readSecrets() error {
	for _, f := range c.secretFiles() {
		if *f.path == "" {
			continue
		}
		if *f.value != "" {
			return fmt.Errorf("%s and %s: only one of them can be set", f.secret, f.key)
		}
		path, err := expandPath(*f.path)
		if err != nil {
			return fmt.Errorf("%s: %w", f.key, err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("%s: %w", f.key, err)
		}
		*f.path = path
		*f.value = strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
		if *f.value == "" {
			return fmt.Errorf("%s: %s is empty", f.key, path)
		}
		if f.value != &c.KeysPassword && strings.ContainsFunc(*f.value, isControl) {
			return fmt.Errorf(
				"%s: %s must be one line of text: it has another line break, a control character or a byte order mark",
				f.key, path,
			)
		}
	}
	return nil
}

// expandPath replaces $CREDENTIALS_DIRECTORY by the folder of systemd's credentials.
func expandPath(path string) (string, error) {
	const variable = "CREDENTIALS_DIRECTORY"
	var err error
	expanded := os.Expand(path, func(name string) string {
		folder := os.Getenv(variable)
		switch {
		case name != variable:
			err = fmt.Errorf("%s: only $%s can stand in a path", path, variable)
		case folder == "":
			err = errors.New(
				"$" + variable + " is not set: systemd sets it for a unit with LoadCredential=; for a " +
					"command, set it to the folder with these files",
			)
		}
		return folder
	})
	return expanded, err
}

// isControl reports whether a character is one of control, or the byte order mark that some editors
// write.
func isControl(r rune) bool { return unicode.IsControl(r) || r == '\ufeff' }
