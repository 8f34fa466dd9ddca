// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"reflect"
	"testing"

	"github.com/xp2p/xp2p/nvr"
)

// Every key of the configuration is either changed in a running service or named as one
// that waits for a restart.
func TestNeedRestart(t *testing.T) {
	changed := map[string]bool{"Cameras": true, "Pipelines": true}
	for f := range reflect.TypeFor[nvr.Config]().Fields() {
		var now nvr.Config
		v := reflect.ValueOf(&now).Elem().FieldByIndex(f.Index)
		switch v.Kind() {
		case reflect.String:
			v.SetString("x")
		case reflect.Int64:
			v.SetInt(1)
		case reflect.Pointer:
			v.Set(reflect.New(f.Type.Elem()))
		case reflect.Slice:
			v.Set(reflect.MakeSlice(f.Type, 1, 1))
		default:
			t.Fatalf("%s is a %s, which this test does not know", f.Name, v.Kind())
		}
		if got, want := len(needRestart(nvr.Config{}, now)), 1; changed[f.Name] != (got == 0) || got > want {
			t.Errorf("%s: %q", f.Name, needRestart(nvr.Config{}, now))
		}
	}
}
