package daemon

import (
	"path/filepath"
	"reflect"
	"strings"
)

// unixPrefix marks the addresses that are sockets in the file system.
const unixPrefix = "unix:"

// resolve makes the names of files absolute that are relative to dir. The tag
// "is" says which texts are such names.
func (c *Config) resolve(dir string) {
	absolute := func(name string) string {
		if name == "" || filepath.IsAbs(name) {
			return name
		}
		return filepath.Join(dir, name)
	}
	eachText(reflect.ValueOf(c).Elem(), func(text, is string) string {
		name, isSocket := strings.CutPrefix(text, unixPrefix)
		switch {
		case is == "file", is == "dest" && isFile(text):
			return absolute(text)
		case is == "listen" && isSocket:
			return unixPrefix + absolute(name)
		}
		return text
	})
}

// isFile says that a destination of records is a file.
func isFile(dest string) bool {
	return dest != "" && dest != "-" && !strings.Contains(dest, "://")
}

// eachText replaces the texts that have the tag "is".
func eachText(v reflect.Value, f func(text, is string) string) {
	for i := range v.NumField() {
		field := v.Field(i)
		is := v.Type().Field(i).Tag.Get("is")
		switch {
		case is != "" && field.Kind() == reflect.String:
			field.SetString(f(field.String(), is))
		case is != "" && field.Kind() == reflect.Slice:
			for j := range field.Len() {
				field.Index(j).SetString(f(field.Index(j).String(), is))
			}
		case !isLeaf(field.Type()) && field.Kind() == reflect.Struct:
			eachText(field, f)
		}
	}
}

// Changed gives the keys in which two configurations differ, in the order of
// the example.
func Changed(a, b *Config) []string {
	return changed(reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem(), "")
}

func changed(a, b reflect.Value, key string) []string {
	var out []string
	for i, name := range keys(a.Type()) {
		x, y, path := a.Field(i), b.Field(i), under(key, name)
		switch {
		case x.Kind() == reflect.Struct && !isLeaf(x.Type()):
			out = append(out, changed(x, y, path)...)
		case x.Kind() == reflect.Slice && x.Len() == 0 && y.Len() == 0:
		case !reflect.DeepEqual(x.Interface(), y.Interface()):
			out = append(out, path)
		}
	}
	return out
}
