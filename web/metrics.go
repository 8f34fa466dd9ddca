// SPDX-License-Identifier: LGPL-2.1-or-later

package web

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/xp2p/xp2p/internal/version"
	"github.com/xp2p/xp2p/nvr"
	"github.com/xp2p/xp2p/recorder"
	"github.com/xp2p/xp2p/session"
	"github.com/xp2p/xp2p/session/metrics"
)

// metrics serves GET /metrics: the recorder's numbers as they are when they are asked
// for, and those of the process.
func (s *Server) metrics() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&collector{cameras: s.cfg.Cameras, recordings: s.cfg.Recordings, log: s.log}, metrics.Viewers("camera", s.swarms))
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)})
}

// swarms are the statistics of the cameras that are streams of many viewers.
func (s *Server) swarms() map[string]session.SwarmStats {
	m := map[string]session.SwarmStats{}
	for _, c := range s.cfg.Cameras.Cameras() {
		if c.Swarm != nil {
			m[c.Name] = *c.Swarm
		}
	}
	return m
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("xp2p_"+name, help, labels, nil)
}

var (
	metricInfo      = desc("info", "1, with the program's version.", "version")
	metricUp        = desc("camera_up", "1 while pictures arrive from the camera, else 0.", "camera")
	metricAttempts  = desc("camera_attempts_total", "Connections to the camera that were tried.", "camera")
	metricReceived  = desc("camera_received_bytes_total", "Bytes received from the camera.", "camera")
	metricPictures  = desc("camera_pictures_total", "Pictures received from the camera.", "camera")
	metricDamage    = desc("camera_damage_total", "Stretches of the camera's stream that were no valid tags.", "camera")
	metricBytes     = desc("recorded_bytes_total", "Bytes written to the disk.", "camera")
	metricParts     = desc("recorded_parts_total", "Parts written to the disk.", "camera")
	metricUnits     = desc("recorded_units_total", "Pictures and audio frames taken for recording.", "camera")
	metricDropped   = desc("dropped_units_total", "Pictures and audio frames refused because the disk was behind or failing.", "camera")
	metricQueue     = desc("queued_bytes", "Bytes of the camera that wait for the disk.", "camera")
	metricGaps      = desc("gap_seconds", "Time in the last 24 hours in which the camera was not recorded, by cause.", "camera", "cause")
	metricStored    = desc("storage_bytes", "Bytes of the recordings in a storage.", "storage")
	metricSegments  = desc("storage_segments", "Files of recordings in a storage.", "storage")
	metricFree      = desc("storage_free_bytes", "Bytes that the storage's file system has left.", "storage")
	metricStorageUp = desc("storage_up", "1 while the storage can be written to, else 0.", "storage")
)

// collector asks the recorder when it is asked.
type collector struct {
	cameras    Cameras
	recordings Recordings
	log        *slog.Logger
}

func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{metricInfo, metricUp, metricAttempts, metricReceived, metricPictures, metricDamage, metricBytes, metricParts,
		metricUnits, metricDropped, metricQueue, metricGaps, metricStored, metricSegments, metricFree, metricStorageUp} {
		ch <- d
	}
}

// gapSpan is how far back gaps are counted.
const gapSpan = 24 * time.Hour

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(metricInfo, 1, version.Version)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	now := time.Now()
	missed, err := c.missed(ctx, now)
	if err != nil {
		c.log.Warn("metrics of gaps", "error", err)
	}
	for _, s := range c.cameras.Cameras() {
		gauge(metricUp, number(s.State == nvr.StateLive), s.Name)
		counter(metricAttempts, int64(s.Attempts), s.Name)
		counter(metricReceived, s.Received, s.Name)
		counter(metricPictures, s.Frames, s.Name)
		counter(metricDamage, s.Damage, s.Name)
		counter(metricBytes, s.Recorded.Bytes, s.Name)
		counter(metricParts, s.Recorded.Parts, s.Name)
		counter(metricUnits, s.Recorded.Frames, s.Name)
		counter(metricDropped, s.Recorded.Dropped, s.Name)
		gauge(metricQueue, float64(s.Recorded.Queued), s.Name)
		for cause, d := range missed[s.Name] {
			gauge(metricGaps, d.Seconds(), s.Name, string(cause))
		}
	}
	storages, err := c.recordings.Status(ctx)
	if err != nil {
		c.log.Warn("metrics of storages", "error", err)
	}
	for _, s := range storages {
		gauge(metricStored, float64(s.Bytes), s.Dir)
		gauge(metricSegments, float64(s.Segments), s.Dir)
		gauge(metricFree, float64(s.Free), s.Dir)
		gauge(metricStorageUp, number(s.Error == ""), s.Dir)
	}
}

// missed sums up the gaps of the last gapSpan; of a camera that has none of a cause
// there is nothing.
func (c *collector) missed(ctx context.Context, now time.Time) (map[string]map[recorder.Cause]time.Duration, error) {
	from := now.Add(-gapSpan)
	gaps, err := c.recordings.Gaps(ctx, "", from, now)
	sum := map[string]map[recorder.Cause]time.Duration{}
	for _, g := range gaps {
		if g.From.Before(from) {
			g.From = from
		}
		if g.To.IsZero() || g.To.After(now) {
			g.To = now
		}
		if sum[g.Camera] == nil {
			sum[g.Camera] = map[recorder.Cause]time.Duration{}
		}
		sum[g.Camera][g.Cause] += g.To.Sub(g.From)
	}
	return sum, err
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
