// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/xp2p/xp2p/recorder"
)

// RestoreRequest says what of a configuration's storages was lost.
type RestoreRequest struct {
	// Dir is the storage that was lost: one of the configuration's; "": the one without
	// recordings.
	Dir string
	// ID is the identity that it had; "": the only one that the remote store has and no
	// storage.
	ID string
	// Logger; nil: discarded.
	Logger *slog.Logger
	// Progress is told how far it is, one call at a time; nil: nobody.
	Progress func(recorder.Restored)
}

// Restore makes the index of a lost disk again from the configuration's remote store; see
// recorder.Archive.Restore. Nothing may record to its storages meanwhile.
func Restore(ctx context.Context, cfg Config, r RestoreRequest) (recorder.Restored, error) {
	var none recorder.Restored
	remote, store, err := cfg.openRemote()
	if err != nil {
		return none, err
	}
	if store == nil {
		return none, errors.New("the configuration has no remote: there is nothing to restore from")
	}
	defer store.Close()
	dir, id, err := r.lost(ctx, &cfg, remote.Store)
	if err != nil {
		return none, err
	}
	if dir != "" {
		if err := recorder.MakeStorage(dir, id); err != nil {
			return none, err
		}
	}
	a, err := recorder.Open(recorder.Config{Storages: cfg.storages(), Logger: r.Logger, Remote: remote})
	if err != nil {
		return none, err
	}
	done, err := a.Restore(ctx, r.Progress)
	return done, errors.Join(err, a.Close())
}

// lost finds the storage that gets the identity of a lost one, and which that is; "": all
// of them have one.
func (r *RestoreRequest) lost(ctx context.Context, cfg *Config, store recorder.RemoteStore) (dir, id string, err error) {
	var empty, dirs []string
	ids := map[string]bool{}
	for _, s := range cfg.Storage {
		dirs = append(dirs, s.Dir)
		switch is, err := recorder.StorageID(s.Dir); {
		case errors.Is(err, fs.ErrNotExist):
			empty = append(empty, s.Dir)
			if s.Dir == r.Dir && r.ID == "" {
				r.ID = s.ID
			}
		case err != nil:
			return "", "", err
		default:
			ids[is] = true
		}
	}
	if r.Dir != "" {
		if !slices.Contains(dirs, r.Dir) {
			return "", "", fmt.Errorf("%s is no storage of the configuration, which has %s", r.Dir, strings.Join(dirs, ", "))
		}
		empty = slices.DeleteFunc(empty, func(d string) bool { return d != r.Dir })
	}
	switch {
	case len(empty) == 0 && r.ID != "" && !ids[r.ID]:
		return "", "", fmt.Errorf("no storage of the configuration is empty, so that none can become %s: name the directory of an empty disk in it", r.ID)
	case len(empty) == 0:
		return "", "", nil
	case len(empty) > 1:
		return "", "", fmt.Errorf("several storages are empty: say which of %s was lost with --storage", strings.Join(empty, ", "))
	case r.ID != "":
		return empty[0], r.ID, nil
	}
	found, err := recorder.RemoteStorages(ctx, store)
	if err != nil {
		return "", "", err
	}
	maps.DeleteFunc(found, func(id string, _ int64) bool { return ids[id] })
	switch all := slices.Sorted(maps.Keys(found)); len(all) {
	case 0:
		return "", "", errors.New("the remote store has no recordings but those of storages that are here: see whether bucket and prefix are right")
	case 1:
		return empty[0], all[0], nil
	default:
		var list []string
		for _, id := range all {
			list = append(list, fmt.Sprintf("%s (%d files)", id, found[id]))
		}
		return "", "", fmt.Errorf("the remote store has the recordings of several storages: say with --id which of %s %s was", strings.Join(list, ", "), empty[0])
	}
}
