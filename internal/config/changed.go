package config

import "reflect"

// Changed returns the keys in which two configurations differ.
func Changed(a, b Config) (keys []string) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		was, is := reflect.ValueOf(a).FieldByIndex(f.Index), reflect.ValueOf(b).FieldByIndex(
			f.Index,
		)
		if key := f.Tag.Get("yaml"); key != "-" &&
			!reflect.DeepEqual(was.Interface(), is.Interface()) {
			keys = append(keys, key)
		}
	}
	return keys
}
