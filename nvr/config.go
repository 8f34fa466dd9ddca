// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/viper"
	"github.com/xp2p/xp2p/recorder"
	"go.yaml.in/yaml/v3"
)

// Config is the file of `xp2p nvr --config`; docs/guide/nvr.md describes it.
type Config struct {
	Rendezvous string        // URL; XP2P_RENDEZVOUS takes its place
	App        string        // path of app.json; XP2P_APP takes its place
	Control    string        // path of the control socket
	Web        *WebConfig    // nil: no page
	ExportKey  string        // path of the key that signs manifests of exports
	Device     *DeviceConfig // nil: the recorder is no device itself
	MaxUpload  int64         // to other viewers of 1vN streams, bytes/s; 0: 85 % of what the line carries
	Storage    []StorageConfig
	Remote     *RemoteConfig // nil: files are copied nowhere
	Cameras    []CameraConfig
	Pipelines  []PipelineConfig
	Hooks      []HookConfig
}

// StorageConfig is one entry of storage.
type StorageConfig struct {
	Dir      string
	ID       string
	Segment  time.Duration
	Part     time.Duration
	Sync     string
	Each     KeepConfig // of each camera
	MaxBytes int64
	KeepFree int64
}

// CameraConfig is one entry of cameras: Info or URL.
type CameraConfig struct {
	Name    string
	Info    string // xp2pInfo
	URL     string // http-flv
	CodeURL string // where the key of a sealed 1vN stream at URL is looked up
	Swarm   bool   // URL is a 1vN stream: it comes from its other viewers too
	Params  string // of the stream, with Info

	NoUpload bool   // of a 1vN stream: nothing is given to other viewers
	NoSound  bool   // sound is left out, of recordings and of what is passed on live
	Storage  string // directory for a camera without recordings; "": chosen by its name

	Record RecordConfig
	Keep   KeepConfig
}

// Many says whether the camera is a 1vN stream, whose viewers carry each other.
func (c *CameraConfig) Many() bool { return c.Swarm || c.CodeURL != "" }

func (c *Config) storages() []recorder.StorageConfig {
	var list []recorder.StorageConfig
	for _, s := range c.Storage {
		list = append(list, recorder.StorageConfig{Dir: s.Dir, ID: s.ID, Segment: s.Segment, Part: s.Part,
			Sync: recorder.SyncPolicy(s.Sync), MaxAge: s.Each.MaxAge, MaxCameraBytes: s.Each.MaxBytes, MaxBytes: s.MaxBytes, KeepFree: s.KeepFree})
	}
	return list
}

// maxConfigFile bounds what is read.
const maxConfigFile = 4 << 20

// ReadConfig reads a file. An error names the key and the line that are wrong.
func ReadConfig(file string) (Config, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	if len(b) > maxConfigFile {
		return Config{}, fmt.Errorf("%s: %d bytes are no configuration", file, len(b))
	}
	c, err := ParseConfig(b, filepath.Dir(file))
	if err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// ParseConfig reads the YAML text of a configuration. Paths in it are relative to
// dir. The environment's XP2P_RENDEZVOUS and XP2P_APP come before the text.
func ParseConfig(text []byte, dir string) (Config, error) {
	var c Config
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return c, err // has "line N:"
	}
	if len(doc.Content) == 0 {
		return c, fmt.Errorf("the configuration is empty: it needs storage and cameras")
	}
	if err := c.decode(doc.Content[0]); err != nil {
		return c, err
	}
	v := viper.New()
	v.SetConfigType("yaml")
	v.SetEnvPrefix("XP2P")
	v.AutomaticEnv()
	if err := v.ReadConfig(bytes.NewReader(text)); err != nil {
		return c, err
	}
	c.App, c.Control, c.ExportKey = under(dir, c.App), under(dir, c.Control), under(dir, c.ExportKey)
	c.Rendezvous = v.GetString("rendezvous")
	if os.Getenv("XP2P_APP") != "" {
		c.App = v.GetString("app") // as the shell means it
	}
	return c, c.resolve(doc.Content[0], dir)
}

// decode reads the top level; every function below gets the node of its value.
func (c *Config) decode(n *yaml.Node) error {
	return fields(n, "", map[string]func(*yaml.Node, string) error{
		"rendezvous": text(&c.Rendezvous),
		"app":        text(&c.App),
		"control":    text(&c.Control),
		"export-key": text(&c.ExportKey),
		"max-upload": size(&c.MaxUpload),
		"web": func(n *yaml.Node, key string) error {
			c.Web = &WebConfig{}
			return c.Web.decode(n, key)
		},
		"device": func(n *yaml.Node, key string) error {
			c.Device = &DeviceConfig{}
			return c.Device.decode(n, key)
		},
		"storage": items(func(n *yaml.Node, key string) error {
			var s StorageConfig
			c.Storage = append(c.Storage, s)
			return c.Storage[len(c.Storage)-1].decode(n, key)
		}),
		"cameras": items(func(n *yaml.Node, key string) error {
			var cam CameraConfig
			c.Cameras = append(c.Cameras, cam)
			return c.Cameras[len(c.Cameras)-1].decode(n, key)
		}),
		"remote": func(n *yaml.Node, key string) error {
			c.Remote = &RemoteConfig{}
			return c.Remote.decode(n, key)
		},
		"hooks": items(func(n *yaml.Node, key string) error {
			c.Hooks = append(c.Hooks, HookConfig{})
			return c.Hooks[len(c.Hooks)-1].decode(n, key)
		}),
		"pipelines": items(func(n *yaml.Node, key string) error {
			c.Pipelines = append(c.Pipelines, PipelineConfig{})
			return c.Pipelines[len(c.Pipelines)-1].decode(n, key)
		}),
	})
}

func (d *DeviceConfig) decode(n *yaml.Node, key string) error {
	if err := fields(n, key, map[string]func(*yaml.Node, string) error{
		"product":     text(&d.Product),
		"name":        text(&d.Name),
		"state":       text(&d.State),
		"lan":         text(&d.LAN),
		"max-viewers": count(&d.MaxViewers, 1, 1000),
	}); err != nil {
		return err
	}
	for _, need := range []struct{ key, value string }{{"product", d.Product}, {"name", d.Name}, {"state", d.State}} {
		if need.value == "" {
			return wrong(n, key+"."+need.key, "is missing")
		}
	}
	return nil
}

func (s *StorageConfig) decode(n *yaml.Node, key string) error {
	if err := fields(n, key, map[string]func(*yaml.Node, string) error{
		"dir":              text(&s.Dir),
		"id":               text(&s.ID),
		"segment":          duration(&s.Segment, time.Second, time.Hour),
		"part":             duration(&s.Part, 100*time.Millisecond, time.Hour),
		"sync":             syncPolicy(&s.Sync),
		"max-age":          age(&s.Each.MaxAge),
		"max-camera-bytes": size(&s.Each.MaxBytes),
		"max-bytes":        size(&s.MaxBytes),
		"keep-free":        size(&s.KeepFree),
	}); err != nil {
		return err
	}
	switch {
	case s.Dir == "":
		return wrong(n, key+".dir", "is missing: the directory to record to")
	case s.Segment > 0 && s.Part > s.Segment:
		return wrong(value(n, "part"), key+".part", fmt.Sprintf("%v is longer than the segment's %v", s.Part, s.Segment))
	}
	return nil
}

func (c *CameraConfig) decode(n *yaml.Node, key string) error {
	if err := fields(n, key, map[string]func(*yaml.Node, string) error{
		"name": func(n *yaml.Node, key string) error {
			if err := text(&c.Name)(n, key); err != nil {
				return err
			}
			if err := recorder.CheckName(c.Name); err != nil {
				return wrong(n, key, err.Error())
			}
			return nil
		},
		"xp2p-info": text(&c.Info),
		"max-age":   orNone(&c.Keep.MaxAge, age),
		"max-bytes": orNone(&c.Keep.MaxBytes, size),
		"url":       httpURL(&c.URL, "must be an http:// or https:// URL of an FLV stream"),
		"code-url":  httpURL(&c.CodeURL, "must be the http:// or https:// URL of a stream's key, as xp2p source --seal prints it"),
		"swarm":     boolean(&c.Swarm),
		"upload":    unless(&c.NoUpload),
		"sound":     unless(&c.NoSound),
		"storage":   text(&c.Storage),
		"params": func(n *yaml.Node, key string) error {
			if err := text(&c.Params)(n, key); err != nil {
				return err
			}
			if _, err := url.ParseQuery(c.Params); err != nil {
				return wrong(n, key, `must look like "action=live&channel=0&quality=high"`)
			}
			return nil
		},
		"record": c.Record.decode,
	}); err != nil {
		return err
	}
	switch {
	case c.Name == "":
		return wrong(n, key+".name", "is missing")
	case c.Info == "" && c.URL == "":
		return wrong(n, key, "needs xp2p-info or url")
	case c.Info != "" && c.URL != "":
		return wrong(n, key, "has xp2p-info and url: one of them")
	case c.Info != "" && c.CodeURL != "":
		return wrong(value(n, "code-url"), key+".code-url", "goes with url, that of a stream of many viewers (1vN)")
	case c.Info != "" && c.Swarm:
		return wrong(value(n, "swarm"), key+".swarm", "goes with url, that of a stream of many viewers (1vN)")
	case c.NoUpload && !c.Many():
		return wrong(value(n, "upload"), key+".upload", "goes with swarm or code-url: only a stream of many viewers (1vN) is given on")
	case c.URL != "" && c.Params != "":
		return wrong(n, key+".params", "goes with xp2p-info; an http-flv camera has everything in its url")
	}
	return nil
}

// httpURL takes an http or https URL; say is what is wrong with another text.
func httpURL(dst *string, say string) func(*yaml.Node, string) error {
	return func(n *yaml.Node, key string) error {
		if err := text(dst)(n, key); err != nil {
			return err
		}
		u, err := url.Parse(*dst)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return wrong(n, key, say)
		}
		return nil
	}
}

// resolve checks what concerns several keys and makes paths absolute to dir.
func (c *Config) resolve(n *yaml.Node, dir string) error {
	if len(c.Storage) == 0 {
		return wrong(n, "storage", "is missing: where to record to")
	}
	if d := c.Device; d != nil {
		d.State = under(dir, d.State)
		if d.LAN == "" && c.Rendezvous == "" {
			return wrong(value(n, "device"), "device", "needs rendezvous and app, or lan")
		}
		if len(c.Cameras) == 0 {
			return wrong(value(n, "device"), "device", "needs at least one camera")
		}
	}
	seen := map[string]bool{}
	for i := range c.Storage {
		c.Storage[i].Dir = under(dir, c.Storage[i].Dir)
	}
	for i := range c.Cameras {
		cam := &c.Cameras[i]
		key := fmt.Sprintf("cameras[%d]", i)
		at := value(n, "cameras").Content[i]
		if seen[cam.Name] {
			return wrong(value(at, "name"), key+".name", fmt.Sprintf("%q is there twice", cam.Name))
		}
		seen[cam.Name] = true
		if cam.Storage != "" {
			cam.Storage = under(dir, cam.Storage)
			if !slices.ContainsFunc(c.Storage, func(s StorageConfig) bool { return s.Dir == cam.Storage }) {
				return wrong(value(at, "storage"), key+".storage", cam.Storage+" is none of storage[].dir")
			}
		}
		if cam.Info == "" {
			continue
		}
		if err := cam.readInfo(dir); err != nil {
			return wrong(value(at, "xp2p-info"), key+".xp2p-info", err.Error())
		}
		if need, say := c.missingForPeers(); need != "" {
			return wrong(at, need, fmt.Sprintf("is missing, and %s needs it: %s", key, say))
		}
	}
	c.resolveWeb(dir)
	if err := c.resolveRecord(n); err != nil {
		return err
	}
	if err := c.resolveRemote(n); err != nil {
		return err
	}
	if err := c.resolveHooks(n, dir); err != nil {
		return err
	}
	return c.resolvePipelines()
}

// missingForPeers is the key that cameras with xp2p-info need and that is missing, and
// what it would be; "": none is.
func (c *Config) missingForPeers() (key, say string) {
	for _, need := range []struct{ key, value, say string }{
		{"rendezvous", c.Rendezvous, "the URL that xp2p rendezvous prints"}, {"app", c.App, "the path of its app.json"},
	} {
		if need.value == "" {
			return need.key, fmt.Sprintf("%s, here or in XP2P_%s", need.say, strings.ToUpper(need.key))
		}
	}
	return "", ""
}

// readInfo takes xp2p-info as the string itself or as the file that holds it.
func (c *CameraConfig) readInfo(dir string) error {
	if strings.HasPrefix(c.Info, "XP2P") && strings.Contains(c.Info, "%") {
		return nil
	}
	b, err := os.ReadFile(under(dir, c.Info))
	if err != nil {
		return fmt.Errorf("is neither an xp2pInfo (XP2P…%%…) nor a file that holds one: %v", err)
	}
	c.Info = strings.TrimSpace(string(b))
	return nil
}

// under makes a path of the configuration absolute to its directory.
func under(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
