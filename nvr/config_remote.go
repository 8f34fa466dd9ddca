// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"fmt"
	"slices"
	"time"

	"github.com/xp2p/xp2p/nvr/objectstore"
	"github.com/xp2p/xp2p/recorder"
	"go.yaml.in/yaml/v3"
)

// RemoteConfig is the bucket to which complete files are copied.
type RemoteConfig struct {
	objectstore.Config
	MaxAge  time.Duration // of what is only there; 0: for ever
	Cameras []string      // nil: all
}

func (r *RemoteConfig) decode(n *yaml.Node, key string) error {
	if err := fields(n, key, map[string]func(*yaml.Node, string) error{
		"endpoint":   text(&r.Endpoint),
		"bucket":     text(&r.Bucket),
		"prefix":     text(&r.Prefix),
		"region":     text(&r.Region),
		"access-key": text(&r.AccessKey),
		"secret-key": text(&r.SecretKey),
		"rate":       size(&r.Rate),
		"max-age":    age(&r.MaxAge),
		"cameras":    texts(&r.Cameras),
	}); err != nil {
		return err
	}
	switch {
	case r.Bucket == "":
		return wrong(n, key+".bucket", "is missing")
	case (r.AccessKey == "") != (r.SecretKey == ""):
		return wrong(n, key, "access-key and secret-key go together; without both they come from the environment")
	}
	s, err := objectstore.New(r.Config)
	if err != nil {
		return wrong(value(n, "endpoint"), key, err.Error())
	}
	return s.Close()
}

// resolveRemote checks what concerns several keys.
func (c *Config) resolveRemote(n *yaml.Node) error {
	if c.Remote == nil {
		return nil
	}
	for _, name := range c.Remote.Cameras {
		if !slices.ContainsFunc(c.Cameras, func(cam CameraConfig) bool { return cam.Name == name }) {
			return wrong(value(value(n, "remote"), "cameras"), "remote.cameras", fmt.Sprintf("%q is no camera of this configuration", name))
		}
	}
	return nil
}

// openRemote makes the archive's remote store; nil: there is none.
func (c *Config) openRemote() (*recorder.RemoteConfig, *objectstore.Store, error) {
	if c.Remote == nil {
		return nil, nil, nil
	}
	s, err := objectstore.New(c.Remote.Config)
	if err != nil {
		return nil, nil, fmt.Errorf("remote: %w", err)
	}
	return &recorder.RemoteConfig{Store: s, MaxAge: c.Remote.MaxAge, Cameras: c.Remote.Cameras}, s, nil
}
